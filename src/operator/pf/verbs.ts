import { Argument, Option } from 'commander'
import { type AddVerbs, absolutePath, helpEnd, jsonOption } from '../verb.js'
import { type ApplyOptions, applyPfs } from './apply.js'
import { PFS_FILE } from './pfs-schema.js'

/** The verb that makes the VFs of a node. */
export const addPf: AddVerbs = (program, { surroundings: { out, openHost }, finish }) => {
  program
    .command('pf')
    .addArgument(new Argument('<action>', 'what to do').choices(['apply']))
    .description('make the VFs and the settings of PFs as a file says; a VF in use is never taken away')
    .addOption(
      new Option('--config <file>', `how the PFs are to be (default: ${PFS_FILE}, or that of the cluster)`).argParser(
        absolutePath,
      ),
    )
    .option('--dry-run', 'tell what would be changed')
    .option('--if-present', 'do nothing where there is no such file')
    .addOption(jsonOption())
    .addHelpText('after', helpEnd(['sriovctl pf apply --dry-run'], 'when a PF is not as the file says'))
    .action(async (_action: 'apply', options: ApplyOptions) => finish(await applyPfs(openHost(), out, options)))
}
