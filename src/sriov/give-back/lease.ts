import { messageOf } from '../../errors.js'
import type { Host } from '../../host/ports.js'
import { type StartedIpam, startIpamDel } from '../../ipam.js'
import type { IpamCall } from '../../state/record.js'

/** Frees a lease, in two steps, so that the IPAM plugin starts while the kernel is still at work on the VF. */
export interface LeaseEnd {
  /** Starts the IPAM plugin, which then waits for its configuration. Errors show in `free`. */
  makeReady(): void
  /** Hands the plugin its configuration, the first time it is called. Resolves to what went wrong; never rejects. */
  free(): Promise<readonly string[]>
}

/**
 * `ipamNow` says how to call the plugin; undefined when there is no lease, or when the lease belongs to another VF of
 * this attachment by now. `isRefused`: the plugin gave no lease, so its refusal to free one is no problem.
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
      // Close stdin: withheld input is never sent, and without its configuration the plugin frees nothing.
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
