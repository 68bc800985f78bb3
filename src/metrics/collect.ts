/** All metrics of the node, from one survey. */
import { messageOf } from '../errors.js'
import type { Living } from '../sriov/survey/spare.js'
import { type Survey, survey } from '../sriov/survey/survey.js'
import type { SurveyedVf } from '../sriov/survey/survey-vf.js'
import { BAD_STATES, VF_STATES } from '../sriov/survey/vf-state.js'
import type { CallHost } from '../state/folder.js'
import { type CallCounter, countCalls } from './calls.js'
import { countGcCandidates } from './gc-candidates.js'
import type { Metric } from './text.js'
import { type PodLabels, trafficMetrics, trafficOf } from './vf-traffic.js'

/** A pool of the device plugin. */
export interface PoolSize {
  readonly resource: string
  readonly free: number
  readonly used: number
  readonly unhealthy: number
}

/** A device that kubelet has given to a container. */
export interface DeviceOfPod extends PodLabels {
  readonly address: string
  readonly resource: string
}

export interface MetricPorts {
  openHost(): CallHost
  /** Empty where there is no device plugin. */
  pools(): readonly PoolSize[]
  /** @throws Error when kubelet is there and does not answer */
  devicesOfPods(): Promise<readonly DeviceOfPod[]>
  /** @throws Error when kubelet or the container runtime is there and does not answer */
  living(): Promise<Living>
}

const gauge = (name: string, help: string, samples: Metric['samples']): Metric => ({
  name,
  help,
  type: 'gauge',
  samples,
})
const flag = (value: boolean): number => (value ? 1 : 0)

function vfMetrics({ pfs, vfs, others }: Survey): readonly Metric[] {
  const labels = (pf: Survey['pfs'][number]) => ({ pf: pf.name ?? pf.address })
  return [
    gauge(
      'sriov_vfs',
      'VFs of a PF by state, as sriovctl status tells it.',
      pfs.flatMap((pf) =>
        VF_STATES.map((state) => ({
          labels: { ...labels(pf), state },
          value: vfs.filter((vf) => vf.pf === pf && vf.verdict.state === state).length,
        })),
      ),
    ),
    gauge(
      'sriov_pf_up',
      '1 while the interface of the PF is up.',
      pfs.flatMap((pf) => (pf.link ? [{ labels: labels(pf), value: flag(pf.link.isUp) }] : [])),
    ),
    gauge(
      'sriov_pf_carrier',
      '1 while the PF has a carrier.',
      pfs.flatMap((pf) => (pf.link ? [{ labels: labels(pf), value: flag(pf.link.hasCarrier) }] : [])),
    ),
    gauge('sriov_attachments', 'Devices that pods have by this plugin.', [
      {
        labels: {},
        value: [...vfs, ...others].filter(({ record, verdict: { state } }) => record && state === 'in-use').length,
      },
    ]),
    gauge('sriov_releases_unfinished', 'Devices that serve nobody until they are given back or mended.', [
      {
        labels: {},
        value: [...vfs, ...others].filter(({ verdict: { state } }) => BAD_STATES.includes(state)).length,
      },
    ]),
  ]
}

const poolMetrics = (pools: readonly PoolSize[]): Metric =>
  gauge(
    'sriov_pool_devices',
    'Devices of a resource of the device plugin.',
    pools.flatMap(({ resource, free, used, unhealthy }) =>
      Object.entries({ free, used, unhealthy }).map(([state, value]) => ({ labels: { resource, state }, value })),
    ),
  )

/** The pod of a VF: as kubelet names it, or as the record does. */
function podNamer(devices: readonly DeviceOfPod[]): (vf: SurveyedVf) => PodLabels | undefined {
  const byAddress = new Map(devices.map((device) => [device.address, device]))
  return ({ address, record, verdict: { state } }) => {
    if (state !== 'in-use') {
      return undefined
    }
    const device = byAddress.get(address)
    return device
      ? { namespace: device.namespace, pod: device.pod, container: device.container }
      : record?.pod && { namespace: record.pod.namespace, pod: record.pod.name, container: '' }
  }
}

export interface Collector {
  /** Never fails: what could not be collected is counted, and left out. */
  collect(): Promise<readonly Metric[]>
}

/** @throws PluginError kind `state` when the journal cannot be read */
export function makeCollector(
  { openHost, pools, devicesOfPods, living }: MetricPorts,
  onError: (what: string) => void,
): Collector {
  const calls: CallCounter = countCalls(openHost().files)
  const gcCandidates = countGcCandidates(living)
  const errors = new Map<string, number>(['calls', 'gc', 'kubelet', 'pools', 'traffic', 'vfs'].map((part) => [part, 0]))

  function count(name: string, error: unknown): void {
    errors.set(name, (errors.get(name) ?? 0) + 1)
    onError(`${name}: ${messageOf(error)}`)
  }

  /** What a part gives, or `none` when it fails. */
  async function part<T>(name: string, none: T, work: () => T | Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      count(name, error)
      return none
    }
  }

  return {
    async collect() {
      const host = openHost()
      const none: Survey = { pfs: [], vfs: [], others: [] }
      const surveyed = await part('vfs', undefined, () => survey(host, undefined, true))
      const found = surveyed ?? none
      // Kubelet is asked by both: where it hangs, they wait side by side.
      const [toGo, devices] = await Promise.all([
        surveyed && part('gc', undefined, () => gcCandidates.count(host, surveyed)),
        part('kubelet', [], devicesOfPods),
      ])
      const traffic = await part('traffic', [], () =>
        trafficOf(host, found.pfs, found.vfs, (error) => count('traffic', error)),
      )
      return [
        ...(await part('calls', [], () => calls.metrics(host.files))),
        // No answer is better than a wrong one: with none, an alert stays as it is.
        ...(surveyed ? vfMetrics(surveyed) : []),
        gauge(
          'sriov_gc_candidates',
          'Devices that sriovctl gc --apply --older-than 10m would give back; at most a minute old.',
          toGo === undefined ? [] : [{ labels: {}, value: toGo }],
        ),
        poolMetrics(await part('pools', [], pools)),
        ...trafficMetrics(traffic, podNamer(devices)),
        gauge(
          'sriov_kubepoddevice',
          '1 for each device that kubelet has given to a container.',
          devices.map(({ address, resource, namespace, pod, container }) => ({
            labels: { pciAddr: address, dev_type: resource, pod, namespace, container },
            value: 1,
          })),
        ),
        {
          name: 'sriov_collect_errors_total',
          type: 'counter',
          help: 'What could not be collected for a scrape, by part.',
          samples: [...errors].map(([what, value]) => ({ labels: { part: what }, value })),
        },
      ]
    },
  }
}
