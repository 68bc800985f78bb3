import { errnoOf } from '../../errors.js'
import type { Link } from '../../netlink/link.js'
import { isMac } from '../../netlink/mac.js'
import { deviceExists } from '../../pci/functions.js'
import { addAltNames, linkByIndex } from '../../rtnl/link.js'
import { restoreRepresentor } from '../device/representor.js'
import { dropAltNames } from '../netdev/alt-names.js'
import { applyVfSteps } from '../pf/apply.js'
import { planVfRestore } from '../pf/plan.js'
import { bindBack } from './bind-back.js'
import { leavePod, settleAtHome } from './bring-home.js'
import { pfWriter, type RecordedVf, type Release, readRecordedVf, setLinkUp } from './releasing.js'
import { restoreMac, restoreMacAlone, restoreOtherAddress, restorePfMacAlone } from './restore-mac.js'
import { recordOfSecond } from './second-netdev.js'

/** Gives the PF's settings of the VF back, its MAC apart. */
const restorePfSettings = (release: Release, { target, vf, original }: RecordedVf): Promise<void> =>
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

/** Does one part of a release. What goes wrong is kept, and the other parts go on. */
export type Collect = (work: () => Promise<void>) => Promise<void>

/** Where a VF is once nothing of it is in the pod any more. */
export interface Departed {
  /** Whether it has its own driver again. */
  readonly isBound: boolean
  /** The name of its interface on the host; absent where it had none, or none came. */
  readonly name?: string
}

/** The release of the second interface alone, where the VF has two (ConnectX-3). */
function releaseOfSecond(release: Release): Release | undefined {
  const record = recordOfSecond(release.record)
  return record && { ...release, record }
}

/**
 * Phase one: the driver first, then the interfaces. The second goes out of the way of the first, which may have had its
 * name.
 */
export async function departVf(release: Release, collect: Collect): Promise<Departed> {
  const second = releaseOfSecond(release)
  let isBound = false
  await collect(async () => {
    await bindBack(release)
    isBound = true
  })
  if (!isBound || release.record.original.netdev.name === '') {
    return { isBound }
  }
  if (second) {
    // Phase two says what is wrong with it.
    await leavePod(second).catch(() => undefined)
  }
  let name: string | undefined
  await collect(async () => {
    name = await leavePod(release)
  })
  return { isBound, ...(name !== undefined && { name }) }
}

/** Gives a VF its second interface back as it was. It comes after the first, which may have had its name. */
async function restoreSecond(second: Release): Promise<void> {
  const name = await leavePod(second)
  if (name !== undefined) {
    const link = await settleAtHome(second, name)
    await restoreNetdev(second, link, undefined)
    await restoreAltNames(second, link)
  }
}

/**
 * Phase two: name and MTU of the interface, the PF's settings, the representor, and what hangs on both, the MAC and the
 * alternative names. What holds already is not written again, so it may be called any number of times.
 */
export async function restoreVf(release: Release, { isBound, name }: Departed, collect: Collect): Promise<void> {
  const { host, hostRtnl, record } = release
  const { representor } = record
  const second = isBound ? releaseOfSecond(release) : undefined
  let link: Link | undefined
  if (name !== undefined) {
    await collect(async () => {
      link = await settleAtHome(release, name)
    })
  }
  if (second) {
    await collect(() => restoreSecond(second))
  }
  const home = link
  let recorded: RecordedVf | undefined
  // A VF that is with somebody unknown keeps its VLAN.
  const isThere = home || (isBound && record.original.netdev.name === '' && deviceExists(host.files, record.deviceId))
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
    await collect(() => restorePfSettings(release, found))
  }
  if (found && !home) {
    await collect(() => restorePfMacAlone(release, found))
  }
  if (home) {
    // Where the PF could not be asked, the next DEL goes on with the MAC.
    if (found || !record.pf) {
      await collect(() => restoreNetdev(release, home, found))
    }
    await collect(() => restoreAltNames(release, home))
  }
}
