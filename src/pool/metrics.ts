/** The metrics of the device plugin's process: of the whole node, and of its pools. */
import { messageOf } from '../errors.js'
import type { Addon } from '../host/addon.js'
import { realFiles } from '../host/files/real-files.js'
import type { Log } from '../host/ports.js'
import { realHost } from '../host/real.js'
import type { Listen } from '../host/sockets/listen.js'
import { serveText } from '../host/sockets/text-server.js'
import * as asked from '../kubelet/asked.js'
import { askLiving } from '../kubelet/living.js'
import type { Offer } from '../kubelet/offer.js'
import { givenDevices } from '../kubelet/pod-resources.js'
import { makeCollector, type PoolSize } from '../metrics/collect.js'
import { CONTENT_TYPE, metricsText } from '../metrics/text.js'
import { podResourcesSocket } from '../node/kubelet.js'
import type { Policy } from '../policy/policy.js'
import { operatorHost } from '../state/folder.js'
import { promisedDevices } from '../state/promises.js'

/** Prometheus waits ten seconds for a scrape, by default. A busy kubelet's answer must not be missing in it. */
const KUBELET_TIMEOUT_MS = 5_000

/** A healthy device is promised to a pod, or free. */
export function sizeOf({ resource, devices }: Offer, promised: ReadonlyMap<string, unknown>): PoolSize {
  const all = devices()
  const healthy = all.filter(({ isHealthy }) => isHealthy)
  const used = healthy.filter(({ id }) => promised.has(id)).length
  return { resource, used, free: healthy.length - used, unhealthy: all.length - healthy.length }
}

interface MetricsOf {
  readonly addon: Addon
  readonly log: Log
  readonly readPolicy: () => Policy
  readonly offers: () => readonly Offer[]
}

/** Serves them. A node where that fails still gives its VFs to pods: the log says why, and undefined is returned. */
export async function startMetrics(
  listen: Listen,
  { addon, log, readPolicy, offers }: MetricsOf,
): Promise<Disposable | undefined> {
  const files = realFiles(addon)
  const host = realHost(addon, log)
  const socket = () => podResourcesSocket(readPolicy().kubeletFolder)
  try {
    const collector = makeCollector(
      {
        openHost: () => operatorHost(host, readPolicy()),
        pools: () => offers().map((offer) => sizeOf(offer, promisedDevices(files))),
        devicesOfPods: async () => (files.exists(socket()) ? givenDevices(socket(), KUBELET_TIMEOUT_MS) : []),
        living: () =>
          askLiving({
            kubelet: socket(),
            exists: (path) => files.exists(path),
            timeoutMs: KUBELET_TIMEOUT_MS,
            load: () => asked,
          }),
      },
      (what) => log.warning('a metric could not be collected', { what }),
    )
    return await serveText(listen, {
      path: '/metrics',
      contentType: CONTENT_TYPE,
      make: async () => metricsText(await collector.collect()),
    })
  } catch (error) {
    log.error('no metrics are served', { listen, error: messageOf(error) })
    return undefined
  }
}
