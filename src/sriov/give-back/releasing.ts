import type { Lock } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import type { VfInfo, VfSettings } from '../../netlink/vf-info.js'
import type { Rtnl } from '../../rtnl/connection.js'
import { changeLink } from '../../rtnl/link.js'
import type { CallHost } from '../../state/folder.js'
import type { AttachmentRecord } from '../../state/record.js'
import { describeRecorded } from '../device/locate.js'
import { locateRecordedVf, type RecordedPlace } from '../device/recorded-vf.js'
import { type PfWriter, readVf, type VfTarget } from '../pf/apply.js'

/** A release under way. `target` names the VF in error messages. */
export interface Release {
  readonly host: CallHost
  readonly record: AttachmentRecord
  /** More paths of the pod's namespace, beside the recorded one. */
  readonly netnsPaths: readonly string[]
  /** The lock of the VF. A program that binds the VF inherits it. */
  readonly lock: Lock
  readonly hostRtnl: Rtnl
  /** What there is to do while the kernel moves the interface out of the pod. Throws nothing. */
  readonly duringMove: () => void
  /** Where the VF is at its PF, looked up once. @throws PluginError kind `device` */
  readonly locate: () => Promise<RecordedPlace>
  readonly target: string
}

/**
 * Looks while the kernel executes the next request. The function returned gives the answer, or throws what `look`
 * threw.
 */
function lookDuringRequest<T>({ kernel }: Pick<CallHost, 'kernel'>, look: () => T): () => Promise<T> {
  const looked = kernel.duringRequest(() => {
    try {
      const value = look()
      return () => value
    } catch (error) {
      return () => {
        throw error
      }
    }
  })
  return async () => (await looked)()
}

/** Begins a release. */
export function openRelease(
  host: CallHost,
  record: AttachmentRecord,
  how: Pick<Release, 'netnsPaths' | 'lock' | 'hostRtnl' | 'duringMove'>,
): Release {
  const locate = lookDuringRequest(host, () => locateRecordedVf(host.files, record))
  return { host, record, ...how, locate, target: describeRecorded(record) }
}

/** The VF of a record as its PF reports it, and how to address it. */
export interface RecordedVf {
  readonly target: VfTarget
  readonly vf: VfInfo
  /** The settings before the ADD. */
  readonly original: VfSettings
}

/** Asks the PF about the VF of a record, with one dump. @throws PluginError kinds `device`, `kernel` */
export async function readRecordedVf({ host, hostRtnl, locate }: Release): Promise<RecordedVf> {
  const { original, ...where } = await locate()
  const { pf, vf } = await host.phases.during('pf', () => readVf(hostRtnl, where.pfName, where.vfIndex))
  return { target: { ...where, pfIndex: pf.index }, vf, original: { ...vf, ...original } }
}

/** How to write to the PF. */
export const pfWriter = ({ host, hostRtnl }: Release): PfWriter => ({ host, rtnl: hostRtnl })

/** Takes the interface up or down, on the host. @throws PluginError kind `kernel` */
export const setLinkUp = ({ hostRtnl, record, target }: Release, link: Link, isUp: boolean): Promise<void> =>
  changeLink(
    hostRtnl,
    link.index,
    { isUp },
    { operation: isUp ? 'bring it up' : 'take it down', target, driver: record.driver },
  )
