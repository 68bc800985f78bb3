import { errnoOf, messageOf, PluginError } from '../../errors.js'
import type { Link } from '../../netlink/link.js'
import { isMac } from '../../netlink/mac.js'
import { deviceExists } from '../../pci/functions.js'
import { openRtnl } from '../../rtnl/connection.js'
import { addAltNames, linkByIndex } from '../../rtnl/link.js'
import type { HostWithState } from '../../state/folder.js'
import type { AttachmentRecord } from '../../state/record.js'
import { describeRecorded } from '../device/locate.js'
import { locateRecordedVf } from '../device/recorded-vf.js'
import { restoreRepresentor } from '../device/representor.js'
import { dropAltNames } from '../netdev/alt-names.js'
import { applyVfSteps } from '../pf/apply.js'
import { planVfRestore } from '../pf/plan.js'
import { isOfThisBoot } from '../users/ownership.js'
import { bindBack } from './bind-back.js'
import { bringHome } from './bring-home.js'
import { pfWriter, type RecordedVf, type Release, readRecordedVf, setLinkUp } from './releasing.js'
import { restoreMac, restoreMacAlone, restoreOtherAddress, restorePfMacAlone } from './restore-mac.js'
import { recordOfSecond } from './second-netdev.js'

/** Gives the PF's settings of the VF back, its MAC apart. */
const restoreVf = (release: Release, { target, vf, original }: RecordedVf): Promise<void> =>
  applyVfSteps(pfWriter(release), target, planVfRestore(original, vf))

/**
 * Gives the interface its alternative names back, and takes away what the pod gave it. One that another interface has by
 * now, or that does not go, is logged and no error.
 */
async function restoreAltNames({ host, hostRtnl, record, target }: Release, link: Link): Promise<void> {
  const { altNames } = record.original.netdev
  if (!altNames || (altNames.length === 0 && link.altNames.length === 0)) {
    return
  }
  const present = (await linkByIndex(hostRtnl, link.index)) ?? link
  const added = present.altNames.filter((one) => !altNames.includes(one))
  await dropAltNames({ rtnl: hostRtnl, log: host.log }, link, added, target)
  for (const name of altNames) {
    if (name !== present.name && !present.altNames.includes(name)) {
      try {
        await addAltNames(hostRtnl, link.index, [name], target)
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') {
          throw error
        }
        host.log.warning('an alternative name is taken by now', { device: record.deviceId, name })
      }
    }
  }
}

/** Gives the interface its MAC and its up or down back, after the PF's settings. */
async function restoreNetdev(release: Release, link: Link, found: RecordedVf | undefined): Promise<void> {
  if (!isMac(link.mac)) {
    await restoreOtherAddress(release, link)
  } else {
    await (found ? restoreMac(release, link, found) : restoreMacAlone(release, link))
  }
  if (release.record.original.netdev.isUp) {
    await setLinkUp(release, link, true)
  }
}

/**
 * The same with all of it, for the second interface of a VF that has two. Once the first is home, for that may have had
 * its name.
 */
async function giveBackSecond(second: Release): Promise<void> {
  const link = await bringHome(second)
  if (link) {
    await restoreNetdev(second, link, undefined)
    await restoreAltNames(second, link)
  }
}

/** Does one part of a release; what goes wrong is kept, and the other parts go on. */
type Collect = (work: () => Promise<void>) => Promise<void>

/** Where the VF is once it was brought back: with its own driver, and its interface on the host, where it had one. */
interface Home {
  readonly isBound: boolean
  readonly link?: Link
}

/** The driver first, then the interfaces: the second out of the way of the first, which may have had its name. */
async function bringAllHome(release: Release, collect: Collect): Promise<Home> {
  const { record } = release
  const recordOfOther = recordOfSecond(record)
  const { onAway, ...ofOne } = release
  const second = recordOfOther && { ...ofOne, record: recordOfOther }
  let isBound = false
  await collect(async () => {
    await bindBack(release)
    isBound = true
  })
  if (!isBound || record.original.netdev.name === '') {
    if (isBound) {
      onAway?.()
    }
    return { isBound }
  }
  if (second) {
    // What is wrong with it is said below.
    await bringHome(second).catch(() => undefined)
  }
  let link: Link | undefined
  await collect(async () => {
    // Of two, neither is the last to leave the pod by itself.
    link = await bringHome(second ? ofOne : release)
  })
  if (second) {
    await collect(() => giveBackSecond(second))
  }
  if (link) {
    onAway?.()
  }
  return { isBound, ...(link && { link }) }
}

/** The PF's settings, the representor, and what hangs on both of the interface: its MAC and alternative names. */
async function restoreSettings(release: Release, { link, isBound }: Home, collect: Collect): Promise<void> {
  const { host, hostRtnl, record } = release
  const { representor } = record
  let recorded: RecordedVf | undefined
  // A VF that is with somebody unknown keeps its VLAN.
  const isThere = link || (isBound && record.original.netdev.name === '' && deviceExists(host.files, record.deviceId))
  if (record.pf && isThere) {
    await collect(async () => {
      recorded = await readRecordedVf(release)
    })
  }
  if (representor) {
    await collect(() => restoreRepresentor(hostRtnl, representor))
  }
  const found = recorded
  if (found) {
    await collect(() => restoreVf(release, found))
  }
  if (found && !link) {
    await collect(() => restorePfMacAlone(release, found))
  }
  if (link) {
    // Where the PF could not be asked, the next DEL goes on with the MAC.
    if (found || !record.pf) {
      await collect(() => restoreNetdev(release, link, found))
    }
    await collect(() => restoreAltNames(release, link))
  }
}

/** Looks while the kernel executes the next request; returns the answer, or what the look has thrown, when asked for it. */
function lookDuringRequest<T>({ kernel }: Pick<HostWithState, 'kernel'>, look: () => T): () => Promise<T> {
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

/**
 * Gives a VF back exactly as its record has it, whatever state it is in: on the host under any name, in the pod under
 * any name, on another driver, half configured. What holds already is not written again, so it may be called any number
 * of times.
 * @throws PluginError with the first thing that could not be given back
 */
export async function giveBackVf(
  host: HostWithState,
  record: AttachmentRecord,
  how: Pick<Release, 'netnsPaths' | 'lock' | 'onAway'>,
): Promise<void> {
  if (!isOfThisBoot(host, record)) {
    host.log.info('the machine has booted since: the kernel holds nothing of this attachment', {
      device: record.deviceId,
    })
    return
  }
  const hostRtnl = openRtnl(host)
  const target = describeRecorded(record)
  const locate = lookDuringRequest(host, () => locateRecordedVf(host.files, record))
  const release: Release = { host, record, ...how, hostRtnl, locate, target }
  const problems: unknown[] = []
  const collect: Collect = async (work) => {
    try {
      await work()
    } catch (error) {
      problems.push(error)
    }
  }
  try {
    await restoreSettings(release, await bringAllHome(release, collect), collect)
  } finally {
    hostRtnl.close()
  }
  if (problems.length > 0) {
    throw new PluginError({ kind: 'release', target, problems: problems.map(messageOf) })
  }
}
