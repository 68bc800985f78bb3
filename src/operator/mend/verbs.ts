import { type AddVerbs, ageMs, helpEnd, jsonOption } from '../verb.js'
import { collectGarbage, type GcOptions } from './gc.js'
import { purge } from './purge.js'
import { type ReleaseOptions, releaseOne } from './release.js'
import { repair } from './repair.js'

/** The verbs that give VFs back. */
export const addMend: AddVerbs = (program, { surroundings, finish }) => {
  const { out, ask, openHost, askLiving } = surroundings
  program
    .command('gc')
    .description('tell what dead pods and calls have left; with --apply, give it back')
    .option('--apply', 'give it back')
    .option('--older-than <age>', 'leave attachments alone whose ADD is younger, like 10m', ageMs)
    .option('--without-asking', 'do not ask kubelet and the container runtime which pods are alive')
    .addOption(jsonOption())
    .addHelpText('after', helpEnd(['sriovctl gc', 'sriovctl gc --apply'], 'when something could not be given back'))
    .action(async ({ withoutAsking, ...options }: Omit<GcOptions, 'living'> & { withoutAsking?: true }) => {
      const host = openHost()
      const living = async () =>
        withoutAsking ? { pods: new Map(), sandboxes: new Set<string>() } : askLiving(host.policy.kubeletFolder)
      finish(await collectGarbage(host, out, { ...options, living }))
    })
  program
    .command('release')
    .argument('<device>', 'the PCI address of a VF, or a container ID')
    .argument('[interface]', 'the interface of the container')
    .description('give one VF back, even that of a live pod')
    .option('--yes', 'do not ask')
    .addOption(jsonOption())
    .addHelpText('after', helpEnd(['sriovctl release 0000:01:10.4'], 'when it was not given back'))
    .action(async (device: string, ifName: string | undefined, options: ReleaseOptions) =>
      finish(await releaseOne(openHost(), { out, ask }, [device, ifName], options)),
    )
  program
    .command('repair')
    .argument('<address>', 'the PCI address of a VF')
    .description('bring a VF back whose record is lost: from any namespace, with the defaults of its PF')
    .option('--yes', 'do not ask')
    .addOption(jsonOption())
    .addHelpText('after', helpEnd(['sriovctl repair 0000:01:10.4'], 'when it was not brought back'))
    .action(async (address: string, options: ReleaseOptions) =>
      finish(await repair(openHost(), { out, ask }, address, options)),
    )
  program
    .command('purge')
    .description('before an uninstall: tell what the plugin keeps on this node; with --apply, remove it')
    .option('--apply', 'remove it')
    .addHelpText('after', helpEnd(['sriovctl purge --apply'], 'while a pod has a device, or a process is at work'))
    .action(async (options: { apply?: true }) => finish(await purge(openHost(), out, surroundings, options)))
}
