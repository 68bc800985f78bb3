import type { LogLevelName } from '../cni/log-levels.js'
import type { Listen } from '../host/sockets/listen.js'
import { DEFAULT_PREFIX } from './conf/conf.js'

/** The options of the device plugin's process. */
export interface PoolOptions {
  /** The file with the resources. */
  readonly conf: string
  /** The resourcePrefix of resources that name none. */
  readonly prefix: string
  /** The file with the resources whose pods share RDMA devices; absent: there are none. */
  readonly rdmaConf?: string
  /** Where to serve metrics; absent: nowhere. */
  readonly metrics?: Listen
  readonly logLevel?: LogLevelName
  readonly logFile?: string
}

/** Where the SR-IOV network device plugin has its configuration. */
export const DEFAULT_CONF = '/etc/pcidp/config.json'

export const DEFAULT_POOL_OPTIONS: PoolOptions = { conf: DEFAULT_CONF, prefix: DEFAULT_PREFIX }
