import { parseListen } from './host/sockets/listen.js'
import { DEFAULT_POOL_OPTIONS, type PoolOptions } from './pool/options.js'
import { runPool } from './pool/run.js'
import { optionsIn, stay } from './stay.js'

/** The options of `sriovctl device-plugin`; undefined when they are a question, or a mistake. */
export function devicePluginOptions(words: readonly string[]): PoolOptions | undefined {
  const options = optionsIn(words, ['config', 'rdma-config', 'resource-prefix', 'metrics'])
  if (!options) {
    return undefined
  }
  const { config, 'rdma-config': rdmaConf, 'resource-prefix': prefix, metrics: where } = options.values
  const metrics = where === undefined ? undefined : parseListen(where)
  const isWrong =
    [config, rdmaConf].some((path) => path?.startsWith('/') === false) || (where !== undefined && !metrics)
  return isWrong
    ? undefined
    : {
        ...DEFAULT_POOL_OPTIONS,
        ...options.log,
        ...(config !== undefined && { conf: config }),
        ...(rdmaConf !== undefined && { rdmaConf }),
        ...(prefix !== undefined && { prefix }),
        ...(metrics && { metrics }),
      }
}

/** For ctl.ts, which does not have it in its own bundle. */
export { runPool }

if (require.main === module) {
  void stay(__dirname, process.argv.slice(2), {
    verb: 'device-plugin',
    read: devicePluginOptions,
    run: runPool,
  }).then((exitCode) => process.exit(exitCode))
}
