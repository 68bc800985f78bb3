/** Completion for shells, made from the verbs and their options. */
import type { Command } from 'commander'

export const SHELLS = ['bash', 'zsh'] as const
export type Shell = (typeof SHELLS)[number]

const longOptions = ({ options }: Command): string[] => [...options.flatMap(({ long }) => long ?? []), '--help']

const bash = ({ commands }: Command): string =>
  [
    '# bash completion of sriovctl: sriovctl completion bash > /etc/bash_completion.d/sriovctl',
    '_sriovctl() {',
    `  local word=\${COMP_WORDS[COMP_CWORD]} words`,
    '  if [ "$COMP_CWORD" = 1 ]; then',
    `    words='${commands.map((command) => command.name()).join(' ')} --help'`,
    '  else',
    `    case \${COMP_WORDS[1]} in`,
    ...commands.map((command) => `      ${command.name()}) words='${longOptions(command).join(' ')}' ;;`),
    '    esac',
    '  fi',
    '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
    '}',
    'complete -o default -F _sriovctl sriovctl',
    '',
  ].join('\n')

/** In single quotes, and without what _arguments and _describe take for their own: brackets and colons. */
const zshText = (text: string): string => text.replaceAll("'", "'\\''").replace(/[[\]:]/g, ' ')

const zshOption = ({ long, description }: { long?: string | undefined; description: string }, value: string): string =>
  `'${long}[${zshText(description)}]${value}'`

function zshVerb(command: Command): string {
  const options = command.options.map((option) => zshOption(option, option.required ? ':value:' : ''))
  const rest = command.registeredArguments.length > 0 ? ["'*:file:_files'"] : []
  return `  ${command.name()}) _arguments ${[...options, "'--help[display help]'", ...rest].join(' ')} ;;`
}

const zsh = ({ commands }: Command): string =>
  [
    '#compdef sriovctl',
    '# zsh completion of sriovctl: sriovctl completion zsh > /usr/share/zsh/site-functions/_sriovctl',
    'local -a verbs',
    `verbs=(${commands.map((command) => `'${command.name()}:${zshText(command.description())}'`).join(' ')})`,
    'if (( CURRENT == 2 )); then',
    '  _describe verb verbs',
    '  return',
    'fi',
    'local verb=$words[2]',
    '(( CURRENT -= 1 ))',
    'shift words',
    'case $verb in',
    ...commands.map(zshVerb),
    'esac',
    '',
  ].join('\n')

export const completionFor = (shell: Shell, program: Command): string =>
  shell === 'bash' ? bash(program) : zsh(program)
