/** The JSON of `sriovctl status`. Its schema is docs/status.schema.json; what is absent is null. */
import * as z from 'zod/mini'
import type { PodName } from '../../kubelet/pod-resources.js'
import type { VfSettings } from '../../netlink/vf-info.js'
import type { Survey } from '../../sriov/survey/survey.js'
import type { SurveyedPf, SurveyedVf } from '../../sriov/survey/survey-vf.js'
import { VF_STATES, type VfState } from '../../sriov/survey/vf-state.js'
import type { AttachmentRecord } from '../../state/record.js'

const maybe = <T extends z.ZodMiniType>(type: T) => z.nullable(type)
const count = z.int()

const Pod = z.strictObject({
  namespace: maybe(z.string()),
  name: maybe(z.string()),
  containerId: maybe(z.string()),
  ifName: maybe(z.string()),
  netns: maybe(z.string()),
  since: maybe(z.string()),
})

const Pf = z.strictObject({
  name: maybe(z.string()),
  address: z.string(),
  driver: maybe(z.string()),
  isUp: maybe(z.boolean()),
  hasCarrier: maybe(z.boolean()),
  numaNode: maybe(count),
  eswitchMode: z.enum(['legacy', 'switchdev']),
  vfs: z.strictObject({ configured: count, total: count, free: count, inUse: count, leaked: count }),
})

const Vf = z.strictObject({
  address: z.string(),
  index: count,
  /** Its interface, or its address when it has none on the host. */
  pf: z.string(),
  driver: maybe(z.string()),
  interface: maybe(z.string()),
  mac: maybe(z.string()),
  vlan: maybe(count),
  qos: maybe(count),
  proto: maybe(z.enum(['802.1q', '802.1ad'])),
  minTxRate: maybe(count),
  maxTxRate: maybe(count),
  spoofchk: maybe(z.boolean()),
  trust: maybe(z.boolean()),
  linkState: maybe(z.enum(['auto', 'enable', 'disable'])),
  state: z.enum(VF_STATES),
  /** A call is at work on it now. */
  isAtWork: z.boolean(),
  pod: maybe(Pod),
  /** For which resource kubelet has taken it, before or while its pod has it. */
  promise: maybe(z.strictObject({ resource: z.string(), since: z.string() })),
  problem: maybe(z.string()),
})

/** A device in a pod that is none of these VFs: a PF as a whole, or a VF whose PF is not visible here. */
const Other = z.strictObject({
  address: z.string(),
  driver: maybe(z.string()),
  state: z.enum(VF_STATES),
  /** A call is at work on it now. */
  isAtWork: z.boolean(),
  pod: Pod,
  problem: maybe(z.string()),
})

export const StatusDocument = z.strictObject({ pfs: z.array(Pf), vfs: z.array(Vf), others: z.array(Other) })
export type StatusDocument = z.infer<typeof StatusDocument>
export type StatusPf = StatusDocument['pfs'][number]
export type StatusVf = StatusDocument['vfs'][number]
export type StatusOther = StatusDocument['others'][number]

/** null for a text that stands for nothing. */
const orNull = (text: string | undefined): string | null => (text === undefined || text === '' ? null : text)

type StatusPod = NonNullable<StatusVf['pod']>

/** The record knows its pod if the runtime said it. Kubelet knows the pods of its device plugins' devices. */
function podOfRecord(record: AttachmentRecord, byKubelet: PodName | undefined): StatusPod {
  const { namespace, name } = record.pod ?? byKubelet ?? { namespace: null, name: null }
  return {
    namespace,
    name,
    containerId: record.containerId,
    ifName: record.ifName,
    netns: orNull(record.netns.path),
    since: record.since ?? null,
  }
}

function podOf({ record, verdict: { state } }: SurveyedVf, byKubelet: PodName | undefined): StatusVf['pod'] {
  if (state === 'free') {
    return null
  }
  return record
    ? podOfRecord(record, byKubelet)
    : byKubelet
      ? { ...byKubelet, containerId: null, ifName: null, netns: null, since: null }
      : null
}

function vfDocument(vf: SurveyedVf, byKubelet: PodName | undefined): StatusVf {
  const { address, index, pf, facts, settings, verdict } = vf
  const reported = <Key extends keyof VfSettings>(key: Key): VfSettings[Key] | null =>
    settings && !settings.unreported.includes(key) ? settings[key] : null
  return {
    address,
    index,
    pf: pf.name ?? pf.address,
    driver: orNull(facts.driver),
    interface: orNull(facts.interface),
    mac: orNull(vf.mac),
    vlan: settings?.vlan ?? null,
    qos: settings?.vlanQoS ?? null,
    proto: settings && settings.vlan > 0 ? settings.vlanProto : null,
    minTxRate: settings?.minTxRateMbps ?? null,
    maxTxRate: settings?.maxTxRateMbps ?? null,
    spoofchk: reported('spoofchk'),
    trust: reported('trust'),
    linkState: reported('linkState'),
    state: verdict.state,
    isAtWork: verdict.reason === 'at-work',
    pod: podOf(vf, byKubelet),
    promise: vf.promise ?? null,
    problem: verdict.problem ?? null,
  }
}

function pfDocument(pf: SurveyedPf, own: readonly SurveyedVf[]): StatusPf {
  const inState = (state: VfState) => own.filter(({ verdict }) => verdict.state === state).length
  return {
    name: pf.name ?? null,
    address: pf.address,
    driver: orNull(pf.driver),
    isUp: pf.link?.isUp ?? null,
    hasCarrier: pf.link?.hasCarrier ?? null,
    numaNode: pf.numaNode ?? null,
    eswitchMode: pf.isSwitchdev ? 'switchdev' : 'legacy',
    vfs: {
      configured: pf.configured,
      total: pf.total,
      free: inState('free'),
      inUse: inState('in-use'),
      leaked: inState('leaked'),
    },
  }
}

/** What kubelet says of devices, by PCI address. */
export type PodsOfDevices = ReadonlyMap<string, PodName>

export function statusDocument({ pfs, vfs, others }: Survey, pods: PodsOfDevices = new Map()): StatusDocument {
  return {
    pfs: pfs.map((pf) =>
      pfDocument(
        pf,
        vfs.filter((vf) => vf.pf === pf),
      ),
    ),
    vfs: vfs.map((vf) => vfDocument(vf, pods.get(vf.address))),
    others: others.map(({ address, driver, record, verdict }) => ({
      address,
      driver: orNull(driver),
      state: verdict.state,
      isAtWork: verdict.reason === 'at-work',
      pod: podOfRecord(record, pods.get(address)),
      problem: verdict.problem ?? null,
    })),
  }
}
