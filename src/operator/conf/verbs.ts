import { Argument, Option } from 'commander'
import { asJson } from '../output.js'
import { type AddVerbs, helpEnd, jsonOption } from '../verb.js'
import { explain } from './explain.js'
import { NODE_FILES, type NodeFile, validateAs } from './node-files.js'
import { SCHEMA_NAMES, SCHEMAS, type SchemaName } from './schema.js'
import { validate } from './validate.js'

/** The verbs about configurations. */
export const addConf: AddVerbs = (program, { surroundings: { out, openHost }, finish }) => {
  program
    .command('validate')
    .argument('<path...>', 'configurations, lists, network definitions (YAML or JSON), or folders with them')
    .description('tell every problem of configurations, with file, line and key')
    .addOption(new Option('--as <what>', 'a file that configures a node instead').choices(NODE_FILES))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      helpEnd(
        ['sriovctl validate /etc/cni/net.d nad.yaml', 'sriovctl validate --as policy policy.json'],
        'when there is a problem',
      ),
    )
    .action((paths: readonly string[], { as, ...options }: { json?: true; as?: NodeFile }) => {
      const host = openHost()
      finish(
        as === undefined ? validate(host, out, paths, options) : validateAs(host.files, out, paths, { as, ...options }),
      )
    })
  program
    .command('explain')
    .argument('<path>', 'a configuration, a list, network definitions, or a folder with them')
    .description('tell what an ADD would do on this node now: which device, why not the others, what the PF is told')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      helpEnd(
        ['sriovctl explain /etc/cni/net.d/10-sriov.conflist'],
        'when an ADD would fail, or there is no configuration of this plugin',
      ),
    )
    .action(async (path: string, options: { json?: true }) => finish(await explain(openHost(), out, path, options)))
  program
    .command('schema')
    .addArgument(new Argument('<what>', 'what it describes').choices(SCHEMA_NAMES))
    .description('print a JSON Schema, for editors and monitoring')
    .addHelpText('after', helpEnd(['sriovctl schema configuration > sriov.schema.json']))
    .action((what: SchemaName) => {
      out.write(asJson(SCHEMAS[what]()))
      finish(0)
    })
}
