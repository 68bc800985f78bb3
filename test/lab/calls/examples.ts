import { readdirSync, readFileSync } from 'node:fs'
import type { Conf } from './plugin.js'

const FOLDER = new URL('../../../docs/examples/', import.meta.url)

/** A network of docs/examples/, as a runtime gives it to the plugin. */
export interface Example {
  readonly file: string
  readonly conf: Conf
}

/** The text of the JSON block `config: |` of a NetworkAttachmentDefinition. */
function configsIn(yaml: string): string[] {
  return [...yaml.matchAll(/^( *)config: \|\n((?:\1 +.*\n|\n)+)/gm)].map(([, , block = '']) => block)
}

function confsIn(file: string): Conf[] {
  const text = readFileSync(new URL(file, FOLDER), 'utf8')
  if (file.endsWith('.yaml')) {
    return configsIn(text).map((one) => JSON.parse(one) as Conf)
  }
  const { plugins, ...network } = JSON.parse(text) as Conf & { plugins?: readonly Conf[] }
  // libcni adds name and version of the list to every plugin of it.
  return plugins ? plugins.map((plugin) => ({ ...network, ...plugin })) : [network]
}

/** Every network of docs/examples/ that is one of this plugin's. */
export const EXAMPLES: readonly Example[] = readdirSync(FOLDER)
  .sort()
  .flatMap((file) => confsIn(file).map((conf) => ({ file, conf })))
  .filter(({ conf }) => conf.type === 'sriov')

/** The one network of an example. */
export function example(file: string): Conf {
  const found = EXAMPLES.filter((one) => one.file === file)
  if (found.length !== 1 || !found[0]) {
    throw new Error(`docs/examples/${file} has ${found.length} networks`)
  }
  return found[0].conf
}
