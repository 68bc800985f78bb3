import { messageOf } from '../../errors.js'
import type { Lock } from '../../host/ports.js'
import { type StartedIpam, startIpamDel } from '../../ipam.js'
import type { CallHost } from '../../state/folder.js'
import type { IpamCall } from '../../state/record.js'

/** Frees a lease, in two steps, so that the IPAM plugin starts while the kernel is still at work on the VF. */
export interface LeaseEnd {
  /** Starts the IPAM plugin, once, which then waits for its configuration. Errors show in `free`. */
  makeReady(): void
  /** Hands the plugin its configuration, once, and does not wait for it. Errors show in `free`. */
  begin(): void
  /** Whether there is a lease to free, as far as is known. */
  isDue(): boolean
  /** Ends the plugin without its configuration, so that it frees nothing. */
  abandon(): Promise<void>
  /** Begins, and waits until the plugin has freed the lease. Resolves to what went wrong; never rejects. */
  free(): Promise<readonly string[]>
}

export interface LeaseEndOptions {
  /** The IPAM plugin gave no lease, so its refusal to free one is no problem. */
  readonly isRefused: boolean
  /** How to call the plugin if that fails. */
  readonly otherIpam?: IpamCall | undefined
  /** The lock of the VF. A plugin that outlives a kill of this process keeps it: it may still free the lease. */
  readonly lock: Lock
}

/**
 * `ipamNow` says how to call the plugin; undefined when there is no lease, or when the lease belongs to another VF of
 * this attachment by now.
 */
export function leaseEnd(host: CallHost, ipamNow: () => IpamCall | undefined, how: LeaseEndOptions): LeaseEnd {
  const { isRefused, otherIpam, lock } = how
  let started: StartedIpam<void> | undefined
  let freed: Promise<readonly string[]> | undefined
  const problemsOf = (error: unknown): readonly string[] => {
    if (isRefused) {
      host.log.info('the IPAM plugin refuses DEL as it refused ADD', { error: messageOf(error) })
      return []
    }
    return [messageOf(error)]
  }
  let hasBegun = false
  let beginning: { readonly error: unknown } | undefined
  let isForNobody = false
  function begin(): void {
    if (hasBegun) {
      return
    }
    hasBegun = true
    try {
      const ipam = ipamNow()
      isForNobody = !ipam
      if (ipam) {
        started ??= startIpamDel(host, ipam, { held: lock })
        started.begin()
      }
    } catch (error) {
      beginning = { error }
    }
  }
  async function free(): Promise<readonly string[]> {
    begin()
    // Close stdin: withheld input is never sent, and without its configuration the plugin frees nothing.
    const ended = started?.finish()
    if (isForNobody) {
      await ended?.catch(() => undefined)
      return []
    }
    if (beginning) {
      // A plugin without its configuration fails as well; what kept the configuration from it is what to tell.
      await ended?.catch(() => undefined)
      throw beginning.error
    }
    try {
      await ended
    } catch (error) {
      if (!otherIpam) {
        throw error
      }
      host.log.warning('the IPAM plugin fails with the configuration of the ADD; it is called with that of the DEL', {
        error: messageOf(error),
      })
      await startIpamDel(host, otherIpam, { held: lock }).finish()
    }
    return []
  }
  return {
    makeReady() {
      if (hasBegun || started) {
        return
      }
      try {
        const ipam = ipamNow()
        started = ipam && startIpamDel(host, ipam, { held: lock, isHeldBack: true })
      } catch {
        started = undefined
      }
    },
    isDue: () => ipamNow() !== undefined,
    async abandon() {
      // The start of the plugin may still be waiting for its turn.
      hasBegun = true
      await started?.finish().catch(() => undefined)
    },
    begin,
    free() {
      freed ??= free().catch(problemsOf)
      return freed
    },
  }
}
