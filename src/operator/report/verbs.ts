import { type AddVerbs, helpEnd } from '../verb.js'
import { sysdump } from './sysdump.js'

/** A name that does not exist yet, by the second. */
const defaultPath = (): string => `sriov-sysdump-${new Date().toISOString().replace(/[-:]|\.\d+/g, '')}.tar.gz`

/** The verb for bug reports. */
export const addReport: AddVerbs = (program, { surroundings: { out, save, openHost, askResident }, finish }) => {
  program
    .command('sysdump')
    .argument('[file]', 'where to write it (default: sriov-sysdump-TIME.tar.gz here)')
    .description('write everything that a bug report needs into one file, without secrets')
    .addHelpText('after', helpEnd(['sriovctl sysdump /tmp/report.tar.gz'], 'when it could not be written'))
    .action(async (file: string | undefined) =>
      finish(await sysdump(openHost(), { out, save, resident: await askResident() }, file ?? defaultPath())),
    )
}
