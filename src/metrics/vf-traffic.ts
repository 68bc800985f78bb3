/** What has gone through each VF, under the names of sriov-network-metrics-exporter, with the pod in the same series. */
import { type Counters, vfCountersIn } from '../netlink/counters.js'
import { openRtnl } from '../rtnl/connection.js'
import { countersOf } from '../rtnl/link.js'
import { findNetdev, traceOf } from '../sriov/netdev/move.js'
import type { SurveyedPf, SurveyedVf } from '../sriov/survey/survey-vf.js'
import { openRecordedNetns } from '../sriov/users/pod-netns.js'
import type { CallHost } from '../state/folder.js'
import type { Labels, Metric } from './text.js'

/** A pod as labels name it. `container` is kubelet's name of the container that has the device. */
export interface PodLabels {
  readonly namespace: string
  readonly pod: string
  readonly container: string
}

export interface VfTraffic {
  readonly vf: SurveyedVf
  readonly counters: Counters
}

/** Many PF drivers count nothing for their VFs, and the kernel reports zeros then. */
const isSilent = (counters: Counters): boolean => Object.values(counters).every((value) => value === 0)

/** What the VF's own interface has counted, in the pod or on the host. */
async function ownCounters(host: CallHost, { record, facts }: SurveyedVf): Promise<Counters | undefined> {
  if (facts.interface !== undefined) {
    using rtnl = openRtnl(host)
    return await countersOf(rtnl, facts.interface)
  }
  if (!record || record.original.netdev.name === '' || record.dpdk) {
    return undefined
  }
  using pod = openRecordedNetns(host, record)
  if (!pod) {
    return undefined
  }
  using rtnl = openRtnl(host, pod)
  // Whatever the pod calls it.
  const link = await findNetdev(rtnl, traceOf(record))
  return link && (await countersOf(rtnl, link.name))
}

/**
 * The counters of the VFs: as their PF reports them, or their own interface where it reports nothing. A VF of which neither
 * tells is left out: a zero would be a lie. What goes wrong with one VF is told to `onError`. @throws PluginError kind `wire`
 */
export async function trafficOf(
  host: CallHost,
  pfs: readonly SurveyedPf[],
  vfs: readonly SurveyedVf[],
  onError: (error: unknown) => void,
): Promise<readonly VfTraffic[]> {
  const byPf = new Map(
    pfs.map((pf) => [pf, pf.link?.vfList ? vfCountersIn(pf.link.vfList) : new Map<number, Counters>()]),
  )
  const traffic: VfTraffic[] = []
  for (const vf of vfs) {
    const reported = byPf.get(vf.pf)?.get(vf.index)
    try {
      const counters = reported && !isSilent(reported) ? reported : await ownCounters(host, vf)
      if (counters) {
        traffic.push({ vf, counters })
      }
    } catch (error) {
      onError(error)
    }
  }
  return traffic
}

type Key = keyof Counters

const COUNTERS: readonly (readonly [Key, string, string])[] = [
  ['rxBytes', 'sriov_vf_rx_bytes', 'Bytes that the VF has received.'],
  ['txBytes', 'sriov_vf_tx_bytes', 'Bytes that the VF has sent.'],
  ['rxPackets', 'sriov_vf_rx_packets', 'Packets that the VF has received.'],
  ['txPackets', 'sriov_vf_tx_packets', 'Packets that the VF has sent.'],
  ['rxDropped', 'sriov_vf_rx_dropped', 'Packets for the VF that were dropped.'],
  ['txDropped', 'sriov_vf_tx_dropped', 'Packets of the VF that were dropped.'],
  ['rxMulticast', 'sriov_vf_rx_multicast', 'Multicast packets that the VF has received.'],
  ['rxBroadcast', 'sriov_vf_rx_broadcast', 'Broadcast packets that the VF has received.'],
  ['txErrors', 'sriov_vf_tx_errors', 'Packets of the VF that could not be sent.'],
]

const labelsOf = ({ address, index, pf }: SurveyedVf, pod: PodLabels | undefined): Labels => ({
  pf: pf.name ?? pf.address,
  vf: String(index),
  pciAddr: address,
  numa_node: String(pf.numaNode ?? -1),
  ...(pod ?? { namespace: '', pod: '', container: '' }),
})

export const trafficMetrics = (
  traffic: readonly VfTraffic[],
  podOf: (vf: SurveyedVf) => PodLabels | undefined,
): readonly Metric[] =>
  COUNTERS.map(([key, name, help]) => ({
    name,
    help,
    type: 'counter',
    samples: traffic.flatMap(({ vf, counters }) => {
      const value = counters[key]
      return value === undefined ? [] : [{ labels: labelsOf(vf, podOf(vf)), value }]
    }),
  }))
