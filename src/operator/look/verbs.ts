import type { Command } from 'commander'
import { doctor } from '../doctor/doctor.js'
import { type AddVerbs, helpEnd, jsonOption, sinceMs } from '../verb.js'
import { followLogs, type LogsOptions, logs, why, whyMessage } from './calls.js'
import { type StatusOptions, status } from './status.js'
import { watch } from './watch.js'

const addStatus: AddVerbs = (program, { surroundings: { out, openHost, askKubelet }, finish }) => {
  program
    .command('status')
    .description('show every VF: where it is, its settings, its state and its pod')
    .option('--pf <pf>', 'only this PF: the name of its interface, or its PCI address')
    .option('--pod <pod>', 'only the VFs of this pod: NAMESPACE/NAME, NAME, or the start of a container ID')
    .option('--brief', 'one line, for probes')
    .option('--watch', 'draw it again every two seconds')
    .addOption(jsonOption())
    .addHelpText('after', helpEnd(['sriovctl status --pf ens1f0'], 'when a VF needs a look'))
    .action(async ({ watch: isWatched, ...given }: StatusOptions & { watch?: true }) => {
      const host = openHost()
      const options = { ...given, pods: () => askKubelet(host.policy.kubeletFolder) }
      finish(isWatched ? await watch(host, out, options) : await status(host, out, options))
    })
}

const addDoctor: AddVerbs = (program, { surroundings: { out, openHost, askResident }, finish }) => {
  program
    .command('doctor')
    .description('find what is wrong on this node, why it matters, and what to type')
    .option('--kubeconfig <file>', 'check the network definitions of the cluster, too, by kubectl')
    .addOption(jsonOption())
    .addHelpText('after', helpEnd(['sriovctl doctor'], 'when there is an error; a warning is none'))
    .action(async (options: { json?: true; kubeconfig?: string }) =>
      finish(await doctor(openHost(), out, { ...options, resident: await askResident() })),
    )
}

const addWhy: AddVerbs = (program, { surroundings: { out, openHost, askKubelet }, finish }) => {
  program
    .command('why')
    .argument('[pod]', 'NAMESPACE/NAME, NAME, or the start of a container ID')
    .description('tell why a pod did not start: its last calls, what refused them, and what it holds now')
    .option('--message <sentence>', 'explain a sentence from the events of a pod instead')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      helpEnd(
        ['sriovctl why shop/cart-0', "sriovctl why --message 'Insufficient example.com/sriov'"],
        'when the last call failed, or nothing is known of it',
      ),
    )
    .action(async (pod: string | undefined, options: { message?: string; json?: true }, command: Command) => {
      if (options.message !== undefined) {
        finish(whyMessage(out, options.message, options))
      } else if (pod === undefined) {
        command.error("error: missing argument 'pod', or --message", { exitCode: 2 })
      } else {
        const host = openHost()
        finish(await why(host, out, pod, { ...options, pods: () => askKubelet(host.policy.kubeletFolder) }))
      }
    })
}

const addLogs: AddVerbs = (program, { surroundings: { out, openHost }, finish }) => {
  program
    .command('logs')
    .description('list the calls of this node, oldest first')
    .option('--since <when>', 'only those after this: an age like 30m, or a time', (text) => sinceMs(text))
    .option('--failed', 'only those that were refused')
    .option('--follow', 'go on with what comes')
    .addOption(jsonOption())
    .addHelpText('after', helpEnd(['sriovctl logs --since 2h --failed'], 'when the journal cannot be read'))
    .action(async ({ since, follow, ...rest }: { since?: number; follow?: true; failed?: true; json?: true }) => {
      const options: LogsOptions = { ...rest, ...(since !== undefined && { sinceMs: since }) }
      const host = openHost()
      finish(follow ? await followLogs(host, out, options) : logs(host, out, options))
    })
}

/** The verbs that look at the node. */
export const addLook: AddVerbs = (program, verbs) => {
  for (const add of [addStatus, addDoctor, addWhy, addLogs]) {
    add(program, verbs)
  }
}
