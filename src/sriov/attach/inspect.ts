import { ifNameProblem } from '../../cni/args.js'
import type { WantedVf } from '../../cni/conf/wanted.js'
import { type ConfigIssue, PluginError } from '../../errors.js'
import type { FilePort } from '../../host/ports.js'
import type { Link } from '../../netlink/link.js'
import { isMac } from '../../netlink/mac.js'
import { otherVfWithMac } from '../../netlink/vf-info.js'
import { pciDeviceOf } from '../../rtnl/device.js'
import { linkByName, requireLink } from '../../rtnl/link.js'
import { together } from '../../rtnl/together.js'
import type { CallHost } from '../../state/folder.js'
import type { RecordedDpdk } from '../../state/record.js'
import { describeDevice, type HostPresence, presenceOf } from '../device/locate.js'
import { findRepresentor } from '../device/representor.js'
import { readHostConfig } from '../netdev/host-config.js'
import { podIfName, secondName } from '../netdev/pod-names.js'
import { type PfView, readVf } from '../pf/apply.js'
import { rateProblem } from '../pf/plan.js'
import type { Attachment, AttachRequest, DeviceUse, Findings } from './attachment.js'
import { dpdkIssues, planDpdk, requireBindable } from './dpdk-checks.js'
import { findRdma } from './rdma.js'

/** The keys in the configuration for settings that only a PF can make. */
const PF_KEYS: Readonly<Record<Exclude<keyof WantedVf, 'mac'>, string>> = {
  vlan: 'vlan',
  minTxRateMbps: 'min_tx_rate',
  maxTxRateMbps: 'max_tx_rate',
  spoofchk: 'spoofchk',
  trust: 'trust',
  linkState: 'link_state',
}

/** What must be known of a call to look at its device. */
type Look = Pick<AttachRequest, 'conf' | 'location' | 'hostRtnl' | 'seen'>

function pfIssues({ conf, location }: Look, pfSide: PfView | undefined): ConfigIssue[] {
  const { vf: wanted } = conf
  if (!pfSide || !location.vf) {
    return (Object.keys(PF_KEYS) as (keyof typeof PF_KEYS)[])
      .filter((name) => wanted[name] !== undefined)
      .map((name) => ({
        key: PF_KEYS[name],
        problem: `needs the PF of a VF, and ${describeDevice(location)} has none that can be seen from here`,
      }))
  }
  const { index, pf } = location.vf
  const rates = rateProblem(wanted, pfSide.vf)
  const { mac } = wanted
  const twin = mac === undefined ? undefined : otherVfWithMac(pfSide.pf.vfList ?? Buffer.alloc(0), index, mac)
  return [
    ...(rates ? [rates] : []),
    ...(twin === undefined ? [] : [{ key: 'mac', problem: `${mac} is the MAC of VF ${twin} of ${pf.name} already` }]),
  ]
}

/** The links that go to the pod. @throws PluginError kinds `device`, `kernel` */
async function linksOf(
  { hostRtnl, location, seen }: Look,
  { netdev }: HostPresence,
): Promise<Pick<Findings, 'netdev' | 'second'>> {
  if (!netdev) {
    return {}
  }
  const [second, link] = await together([
    netdev.second === undefined ? Promise.resolve(undefined) : requireLink(hostRtnl, netdev.second),
    seen?.name === netdev.name ? Promise.resolve(seen) : requireLink(hostRtnl, netdev.name),
  ])
  const device = await pciDeviceOf(hostRtnl, link)
  if (device !== location.address) {
    throw new PluginError({
      kind: 'device',
      message:
        device === undefined
          ? `neither the kernel nor its driver tells the PCI device of ${netdev.name} (${location.address}); it could not be found in the pod again`
          : `${netdev.name} is not the interface of ${location.address} any more`,
    })
  }
  return { netdev: link, ...(second && { second }) }
}

/** The names that the interfaces get in the pod. Refuses a name that is already taken there. */
async function podNamesFor(attachment: Attachment, { netdev }: HostPresence): Promise<readonly string[]> {
  const { pod, podRtnl } = attachment
  const name = podIfName(attachment)
  const names = netdev?.second === undefined ? [name] : [name, secondName(name)]
  for (const one of names) {
    if (await linkByName(podRtnl, one)) {
      throw new PluginError({ kind: 'interfaceExists', name: one, netns: pod.path })
    }
  }
  return names
}

function netdevIssues({ conf }: Look, names: readonly string[], netdev: Link, driver: string): ConfigIssue[] {
  const { mtu } = conf.netdev
  const { mac } = conf.vf
  const isTooLarge = mtu !== undefined && netdev.maxMtu !== 0 && mtu > netdev.maxMtu
  return [
    ...names.flatMap((one) => {
      // rtnetlink(7) would put a number in its place.
      const problem = one.includes('%') ? { message: 'a name in the pod may not contain %' } : ifNameProblem(one)
      return problem ? [{ key: 'CNI_IFNAME', problem: `${one}: ${problem.message}` }] : []
    }),
    ...(mac !== undefined && !isMac(netdev.mac)
      ? [
          {
            key: 'mac',
            problem: `${netdev.name} (driver ${driver}) is no Ethernet interface: its address cannot be set`,
          },
        ]
      : []),
    ...(isTooLarge
      ? [
          {
            key: 'mtu',
            problem: `${mtu} is above the ${netdev.maxMtu} that ${netdev.name} (driver ${driver}) supports`,
          },
        ]
      : []),
  ]
}

/** @throws PluginError kind `device` when the pod is to get an interface and there is none */
function useOf({ location }: Look, dpdk: RecordedDpdk | undefined, netdev: Link | undefined): DeviceUse {
  if (dpdk) {
    return { dpdk, ...(netdev && { netdev }) }
  }
  if (!netdev) {
    throw new PluginError({ kind: 'device', message: `${describeDevice(location)} has no network interface` })
  }
  return { netdev }
}

interface Seen {
  readonly presence: HostPresence
  readonly use: DeviceUse
  /** The names of the interfaces in the pod. */
  readonly names: readonly string[]
  readonly pfSide: PfView | undefined
}

const issuesOf = (files: FilePort, look: Look, { presence, use, names, pfSide }: Seen): ConfigIssue[] => [
  ...(use.dpdk ? dpdkIssues(files, look, presence) : netdevIssues(look, names, use.netdev, presence.driver)),
  ...pfIssues(look, pfSide),
]

/** What inspect() would say of a device to a pod that is not there yet. */
export interface Forecast {
  readonly issues: readonly ConfigIssue[]
  /** Absent when the device has no PF that can be configured. */
  readonly pfSide?: PfView
}

/**
 * Looks at a device as inspect() does, for an operator who asks beforehand. Changes nothing: it loads no driver, and does not
 * say whether one that is to be bound could be loaded.
 * @throws PluginError kinds `device`, `kernel` as inspect() does
 */
export async function forecast(
  { files }: Pick<CallHost, 'files'>,
  look: Pick<Look, 'conf' | 'location' | 'hostRtnl'>,
): Promise<Forecast> {
  const { conf, location, hostRtnl } = look
  const unseen = { ...look, seen: undefined }
  const { vf } = location
  const presence = presenceOf(files, location, conf.dpdk)
  const { netdev } = await linksOf(unseen, presence)
  const use = useOf(unseen, planDpdk(look, presence), netdev)
  const pfSide = vf ? await readVf(hostRtnl, vf.pf.name, vf.index) : undefined
  return { issues: issuesOf(files, unseen, { presence, use, names: [], pfSide }), ...(pfSide && { pfSide }) }
}

/**
 * Refuses everything that can be refused before the first change. Returns what it found.
 * @throws PluginError kinds `device`, `interfaceExists`, `config`, `kernel`
 */
export async function inspect(attachment: Attachment): Promise<Findings> {
  const { host, conf, location, hostRtnl } = attachment
  const { files } = host
  const presence = presenceOf(files, location, conf.dpdk)
  const { driver } = presence
  const dpdk = planDpdk(attachment, presence)
  const { vf } = location
  const [names, { netdev, second }, pfSide] = await together([
    dpdk ? Promise.resolve([]) : podNamesFor(attachment, presence),
    linksOf(attachment, presence),
    vf ? host.phases.during('pf', () => readVf(hostRtnl, vf.pf.name, vf.index)) : Promise.resolve(undefined),
  ])
  const use = useOf(attachment, dpdk, netdev)
  const issues = issuesOf(files, attachment, { presence, use, names, pfSide })
  if (issues.length > 0) {
    throw new PluginError({ kind: 'config', issues })
  }
  if (dpdk) {
    await host.phases.during('driver', () => requireBindable(host, attachment, dpdk, presence))
  }
  const rdma = dpdk ? undefined : await findRdma(attachment, driver)
  const representor = await findRepresentor(files, hostRtnl, location)
  const hostConfig = host.policy.hostInterfaces && netdev ? await readHostConfig(hostRtnl, netdev) : undefined
  return {
    driver,
    ...use,
    ...(second && { second }),
    ...(pfSide && { pfSide }),
    ...(representor && { representor }),
    ...(rdma && { rdma }),
    ...(hostConfig && { hostConfig }),
  }
}
