import { Argument } from 'commander'
import { type AddVerbs, helpEnd } from '../verb.js'
import { completionFor, SHELLS, type Shell } from './completion.js'
import { manPage } from './man.js'

/** The verbs that print texts about sriovctl itself. They are the last: they tell of all others. */
export const addText: AddVerbs = (program, { surroundings: { out }, finish }) => {
  program
    .command('completion')
    .addArgument(new Argument('<shell>', 'which one').choices(SHELLS))
    .description('print the completion for a shell')
    .addHelpText('after', helpEnd(['sriovctl completion bash > /etc/bash_completion.d/sriovctl']))
    .action((shell: Shell) => {
      out.write(completionFor(shell, program))
      finish(0)
    })
  program
    .command('man')
    .description('print the man page')
    .addHelpText('after', helpEnd(['sriovctl man > /usr/local/share/man/man8/sriovctl.8']))
    .action(() => {
      out.write(manPage(program))
      finish(0)
    })
}
