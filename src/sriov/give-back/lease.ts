import { messageOf } from '../../errors.js'
import type { Host } from '../../host/ports.js'
import { type StartedIpam, startIpamDel } from '../../ipam.js'
import type { IpamCall } from '../../state/record.js'

/** The end of a lease. */
export interface LeaseEnd {
  /** Starts the IPAM plugin, which then waits for its configuration. What is wrong with it is met by `free`. */
  makeReady(): void
  /** Lets the plugin free the lease, once however often it is called. Resolves to what went wrong; never rejects. */
  free(): Promise<readonly string[]>
}

/**
 * Prepares the end of a lease. `ipamNow` says how to call the plugin; undefined when there is no lease, or it serves another
 * VF of this attachment by now. `isRefused`: the plugin has refused to give one, so that it refuses to free one keeps nothing.
 */
export function leaseEnd(host: Host, ipamNow: () => IpamCall | undefined, isRefused: boolean): LeaseEnd {
  let started: StartedIpam<void> | undefined
  let freed: Promise<readonly string[]> | undefined
  const problemsOf = (error: unknown): readonly string[] => {
    if (isRefused) {
      host.log.info('the IPAM plugin refuses DEL as it refused ADD', { error: messageOf(error) })
      return []
    }
    return [messageOf(error)]
  }
  async function free(): Promise<readonly string[]> {
    const ipam = ipamNow()
    if (!ipam) {
      // Without its configuration it does nothing.
      await started?.finish().catch(() => undefined)
      return []
    }
    started ??= startIpamDel(host, ipam)
    try {
      started.begin()
    } finally {
      await started.finish()
    }
    return []
  }
  return {
    makeReady() {
      if (freed) {
        return
      }
      try {
        const ipam = ipamNow()
        started = ipam && startIpamDel(host, ipam, { isHeldBack: true })
      } catch {
        started = undefined
      }
    },
    free() {
      freed ??= free().catch(problemsOf)
      return freed
    },
  }
}
