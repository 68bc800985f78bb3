/** Brings a VF back of which nothing is recorded, for an operator: how it was is not known, so it gets the defaults. */
import { PluginError } from '../../errors.js'
import { ZERO_MAC } from '../../netlink/mac.js'
import type { VfSettings } from '../../netlink/vf-info.js'
import { hardwareRdmaOf, rdmaNameAnywhere } from '../../pci/driver.js'
import { driverOf, netdevsOf } from '../../pci/functions.js'
import { openRtnl, type Rtnl } from '../../rtnl/connection.js'
import { linkByName } from '../../rtnl/link.js'
import { changeRdma, openRdma, rdmaDevicesOf } from '../../rtnl/rdma.js'
import type { CallHost } from '../../state/folder.js'
import { type DeviceLocation, describeDevice } from '../device/locate.js'
import { findNetdev, freeDevName, moveNetdev } from '../netdev/move.js'
import { applyVfSteps, readVf } from '../pf/apply.js'
import { planVf, planVfRestore } from '../pf/plan.js'
import { allNetnsPaths } from '../users/pod-netns.js'

/** What the drivers give a new VF (`ip link` after sriov_numvfs was written). */
const DEFAULTS: VfSettings = {
  mac: ZERO_MAC,
  vlan: 0,
  vlanQoS: 0,
  vlanProto: '802.1q',
  minTxRateMbps: 0,
  maxTxRateMbps: 0,
  spoofchk: true,
  trust: false,
  linkState: 'auto',
}

/** Moves the interface to the host, from whatever namespace has it. Returns what was done; undefined when it is nowhere. */
async function fetchNetdev(host: CallHost, hostRtnl: Rtnl, device: string): Promise<string | undefined> {
  for (const path of allNetnsPaths(host.files)) {
    using netns = openOrSkip(host, path)
    using rtnl = netns && openRtnl(host, netns)
    const link = rtnl && (await findNetdev(rtnl, { device, names: [] }))
    if (link) {
      const name = (await linkByName(hostRtnl, link.name)) ? await freeDevName(hostRtnl) : link.name
      await moveNetdev({
        link,
        from: rtnl,
        to: hostRtnl,
        into: host.kernel.ownNetns(),
        device,
        driver: driverOf(host.files, device) ?? 'none',
        name,
      })
      return `its interface came from ${path}, where it was ${link.name}; it is ${name} now`
    }
  }
  return undefined
}

/** Moves the RDMA device to the host, from whatever namespace has it. Returns what was done; undefined when it is nowhere. */
async function fetchRdma(host: CallHost, address: string): Promise<string | undefined> {
  const { files, kernel } = host
  const name = hardwareRdmaOf(files, address) === undefined ? rdmaNameAnywhere(files, address) : undefined
  for (const path of name === undefined ? [] : allNetnsPaths(files)) {
    using netns = openOrSkip(host, path)
    using rdma = netns && openRdma(host, netns)
    const device = rdma && (await rdmaDevicesOf(rdma)).find((one) => one.name === name)
    if (device) {
      const about = { operation: `move the RDMA device out of ${path}`, target: `${name} (${address})` }
      await changeRdma(rdma, device.index, { netnsFd: kernel.ownNetns().fd }, about)
      return `its RDMA device ${name} came from ${path}`
    }
  }
  return undefined
}

function openOrSkip({ kernel }: CallHost, path: string) {
  try {
    return kernel.openNetns(path)
  } catch {
    // Its last process has just ended, or another user's.
    return undefined
  }
}

/**
 * Brings the interface of an unrecorded VF to the host and gives the VF its driver's defaults. The caller holds the VF's
 * lock, and knows that nobody has the VF. Returns what was done.
 * @throws PluginError kinds `device`, `kernel`
 */
export async function rescueVf(host: CallHost, location: DeviceLocation): Promise<readonly string[]> {
  const { files } = host
  const { address, vf } = location
  using hostRtnl = openRtnl(host)
  const rdma = await fetchRdma(host, address)
  const netdev = netdevsOf(files, address).length > 0 ? undefined : await fetchNetdev(host, hostRtnl, address)
  const moved = [rdma, netdev].flatMap((one) => one ?? [])
  if (!vf) {
    return moved
  }
  const { pf, vf: current } = await readVf(hostRtnl, vf.pf.name, vf.index)
  const target = {
    pfName: vf.pf.name,
    pfAddress: vf.pf.address,
    pfIndex: pf.index,
    vfIndex: vf.index,
    driver: vf.pf.driver,
  }
  const mac = current.mac === ZERO_MAC ? [] : planVf({ mac: ZERO_MAC }, current)
  const steps = planVfRestore(DEFAULTS, current)
  await applyVfSteps({ host, rtnl: hostRtnl }, target, steps)
  const told = await tellNoMac(() => applyVfSteps({ host, rtnl: hostRtnl }, target, mac))
  const done = [...steps, ...(told ? mac : [])].map(({ operation }) => operation)
  return [
    ...moved,
    done.length === 0
      ? `${describeDevice(location)} had the defaults of its PF already`
      : `its PF was told: ${done.join(', ')}`,
  ]
}

/** Drivers differ in whether a MAC can be taken back. False when this one refuses. */
async function tellNoMac(tell: () => Promise<void>): Promise<boolean> {
  try {
    await tell()
    return true
  } catch (error) {
    if (error instanceof PluginError && error.fault.kind === 'kernel') {
      return false
    }
    throw error
  }
}
