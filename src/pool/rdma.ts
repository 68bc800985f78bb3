/** A resource whose pods share RDMA devices: made-up devices for kubelet, and the same character devices for each pod. */
import type { FilePort, Host } from '../host/ports.js'
import type { Offer, OfferedDevice } from '../kubelet/offer.js'
import { isRdmaExclusive } from '../node/rdma-mode.js'
import { rdmaDeviceOf, rdmaNodesOf } from '../pci/driver.js'
import { allFunctions, netdevsOf } from '../pci/functions.js'
import { matches } from '../sriov/device/match.js'
import { hasClaim } from '../state/claims.js'
import { promisedDevices } from '../state/promises.js'
import type { RdmaConf } from './conf/rdma-conf.js'

export interface SharedRdma {
  readonly conf: RdmaConf
  /** The functions that a pod gets for itself. */
  readonly pooled: ReadonlySet<string>
  /** The RDMA devices that its pods share. */
  readonly devices: readonly string[]
  /** Why they are not to be handed out. */
  readonly ailment?: string
}

/** The RDMA devices that a resource means now; none of a `pooled` function, which may be another pod's tomorrow. */
export function shareRdma(files: FilePort, conf: RdmaConf, pooled: ReadonlySet<string>): SharedRdma {
  const promised = promisedDevices(files)
  // Not those of a VF that a pod has for itself.
  const isHosts = (address: string) =>
    !pooled.has(address) && netdevsOf(files, address).length > 0 && !hasClaim(files, address) && !promised.has(address)
  const devices = allFunctions(files)
    .filter(isHosts)
    .flatMap((address) => {
      const device = rdmaDeviceOf(files, address)
      const isMeant =
        device !== undefined &&
        (conf.interfaces === undefined || netdevsOf(files, address).some((name) => conf.interfaces?.includes(name))) &&
        matches(files, conf.selectors, { location: { address } })
      return isMeant ? [device] : []
    })
  return {
    conf,
    pooled,
    devices: [...new Set(devices)],
    ...(isRdmaExclusive(files) && {
      ailment: 'the RDMA subsystem is in exclusive mode (rdma system set netns shared)',
    }),
  }
}

export interface SharedResource {
  readonly offer: Offer
  /** Takes what was found now. True when kubelet is to hear of it. */
  update(shared: SharedRdma): boolean
}

/** What kubelet is told: as many devices as pods may share, or none when there is nothing to share. */
function offered({ conf, devices, ailment }: SharedRdma): readonly OfferedDevice[] {
  const count = devices.length === 0 ? 0 : conf.maxPods
  return Array.from({ length: count }, (_, i) => ({ id: `shared-${i}`, isHealthy: ailment === undefined }))
}

export function makeSharedResource(first: SharedRdma, { files, log }: Pick<Host, 'files' | 'log'>): SharedResource {
  let shared = first
  const tell = ({ conf, ailment }: SharedRdma) => {
    if (ailment !== undefined) {
      log.warning('RDMA devices are not handed out', { resource: conf.resource, why: ailment })
    }
  }
  tell(first)
  return {
    offer: {
      resource: first.conf.resource,
      devices: () => offered(shared),
      prefer: ({ available, mandatory, size }) =>
        [...mandatory, ...available.filter((id) => !mandatory.includes(id))].slice(0, size),
      allocate() {
        const { devices, ailment } = shareRdma(files, shared.conf, shared.pooled)
        if (ailment !== undefined || devices.length === 0) {
          throw new Error(ailment ?? `no RDMA device of ${shared.conf.resource} is there now`)
        }
        const nodes = new Set(devices.flatMap((device) => rdmaNodesOf(files, device)))
        return Promise.resolve({
          environment: {},
          nodes: [...nodes].map((path) => ({ path, permissions: 'rw' as const })),
          cdiDevices: [],
        })
      },
    },
    update(next) {
      if (next.ailment !== shared.ailment) {
        tell(next)
      }
      const isNew = JSON.stringify(offered(next)) !== JSON.stringify(offered(shared))
      shared = next
      return isNew
    },
  }
}
