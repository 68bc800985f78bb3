/**
 * Sets up a VF for a program in user space (DPDK). No interface moves; only the PF's settings and the driver change.
 */

import type { ResultInterface } from '../../cni/result.js'
import { ZERO_MAC } from '../../netlink/mac.js'
import { driverOverrideOf } from '../../pci/driver.js'
import { changeLink } from '../../rtnl/link.js'
import { noteAttachment } from '../../state/attachments.js'
import type { RecordedDpdk } from '../../state/record.js'
import { describeDevice } from '../device/locate.js'
import { bind } from '../driver/binding.js'
import { podIfName } from '../netdev/pod-names.js'
import { applyVfSteps } from '../pf/apply.js'
import { adminMacToRelease, macStep, trySetMac } from '../pf/mac.js'
import { planVf } from '../pf/plan.js'
import { type Attachment, type Findings, type Progress, pfWriter, vfTarget } from './attachment.js'

/**
 * Notes what the PF is told as MAC on release, before it is told the wanted one. The PF must administer the MAC,
 * because a program in user space sees no other.
 */
async function noteMac(attachment: Attachment, findings: Findings, progress: Progress, mac: string): Promise<void> {
  const { host, hostRtnl, location } = attachment
  const { pfSide, netdev, driver } = findings
  if (pfSide && progress.record.releaseAdminMac === undefined) {
    // Only a trial can tell: a VF that may set its own MAC has none administered.
    const couldSetMac =
      netdev !== undefined &&
      pfSide.vf.mac !== mac &&
      (await trySetMac(hostRtnl, netdev.index, mac, { target: `${netdev.name} (${location.address})`, driver }))
    progress.record = { ...progress.record, releaseAdminMac: adminMacToRelease(pfSide.vf, couldSetMac) }
    await noteAttachment(host.state, progress.record)
  }
}

async function setUpPf(attachment: Attachment, findings: Findings, progress: Progress): Promise<void> {
  const { conf } = attachment
  const pf = vfTarget(attachment, findings)
  if (!pf || !findings.pfSide) {
    return
  }
  const { mac, ...others } = conf.vf
  if (mac !== undefined) {
    await noteMac(attachment, findings, progress, mac)
  }
  const steps = [...(mac === undefined ? [] : [macStep(mac)]), ...planVf(others, findings.pfSide.vf)]
  await applyVfSteps(pfWriter(attachment), pf, steps)
}

/**
 * Applies the PF's settings first, then binds the driver: the program in user space finds the settings when it resets
 * the VF.
 * @returns the VF as the result of the ADD shows it: as an interface of no namespace
 * @throws PluginError kinds `device`, `kernel`
 */
export async function setUpDpdk(
  attachment: Attachment,
  findings: Findings,
  dpdk: RecordedDpdk,
  progress: Progress,
): Promise<ResultInterface> {
  const { host, conf, location, hostRtnl, lock } = attachment
  const { netdev, driver, pfSide } = findings
  const { address } = location
  if (netdev?.isUp) {
    const blame = { operation: 'take it down', target: `${netdev.name} (${address})`, driver }
    await host.phases.during('netdev', () => changeLink(hostRtnl, netdev.index, { isUp: false }, blame))
  }
  await setUpPf(attachment, findings, progress)
  if (dpdk.driver !== driver) {
    const { driverOverride = driverOverrideOf(host.files, address) } = progress.record
    const binding = { address, lock, target: describeDevice(location), driverOverride, ...dpdk }
    await host.phases.during('driver', () => bind(host, binding))
  }
  // A VF without a MAC gets one from the program in user space.
  const mac = conf.vf.mac ?? pfSide?.vf.mac ?? ZERO_MAC
  return { name: podIfName(attachment), pciID: address, ...(mac !== ZERO_MAC && { mac }) }
}
