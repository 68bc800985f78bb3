/** The man page, made of the help of the verbs (groff_man(7)). */
import type { Command } from 'commander'

/** A line of text as roff takes it: backslashes are escapes, and a dot or quote at its start begins a request. */
const roff = (line: string): string =>
  line
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(?=[.'])/, '\\&')

/** The help of a command, with what comes after its options. */
function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({
    writeOut(part) {
      text += part
    },
    getOutHelpWidth: () => 76,
  })
  command.outputHelp()
  return text
}

const FILES: readonly (readonly [string, string])[] = [
  ['/etc/sriov-cni/policy.json', 'the policy of the node'],
  ['/etc/sriov-cni/pfs.json', 'the VFs that pf apply makes'],
  ['/etc/pcidp/config.json', 'the resources of the device plugin'],
  ['/var/lib/sriov-cni', 'the same three files from a cluster: policy.json, pfs.json, pools.json'],
  ['/var/lib/cni/sriov', 'the records of the attachments'],
  ['/var/lib/cni/sriov/.journal', 'the journal that why and logs read'],
  ['/run/sriov-cni/daemon.sock', 'the socket of the resident process'],
]

/** The whole page. The help of the commands then goes there, too: use a program that is not parsed afterwards. */
export function manPage(program: Command): string {
  const verbs = program.commands.map((command) => [command.name(), helpOf(command)] as const)
  return [
    '.TH SRIOVCTL 8',
    '.SH NAME',
    `sriovctl \\- ${roff(
      program
        .description()
        .replace(/\.$/, '')
        .replace(/^\w/, (first) => first.toLowerCase()),
    )}`,
    '.SH SYNOPSIS',
    '.B sriovctl',
    '.I command',
    '[options]',
    '.SH COMMANDS',
    ...verbs.flatMap(([name, help]) => [`.SS ${name}`, '.nf', ...help.trimEnd().split('\n').map(roff), '.fi']),
    '.SH EXIT STATUS',
    '0 when all is well, 1 when it is not (the help of each command says what that means), 2 for a command that is not',
    'understood.',
    '.SH FILES',
    ...FILES.flatMap(([path, what]) => ['.TP', `.I ${roff(path)}`, what]),
    '.SH SEE ALSO',
    `${roff('ip-link(8), dpdk-devbind(8)')}`,
    '',
  ].join('\n')
}
