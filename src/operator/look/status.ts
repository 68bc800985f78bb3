/** `sriovctl status`: which VF is where. */
import { survey } from '../../sriov/survey/survey.js'
import { BAD_STATES, type VfState } from '../../sriov/survey/vf-state.js'
import type { CallHost } from '../../state/folder.js'
import { severityOf } from '../doctor/findings.js'
import { kubeletFindings } from '../doctor/kubelet.js'
import { stateFindings } from '../doctor/state.js'
import { asJson, type Color, colored, counted, type Output, printable, table } from '../output.js'
import { isMeant, shortId } from './pods.js'
import {
  type PodsOfDevices,
  type StatusDocument,
  type StatusOther,
  type StatusPf,
  type StatusVf,
  statusDocument,
} from './status-document.js'

export interface StatusOptions {
  readonly json?: true
  readonly brief?: true
  /** Interface or PCI address of a PF. */
  readonly pf?: string
  /** Asks kubelet for the pods of devices. */
  readonly pods?: () => Promise<PodsOfDevices>
  /** `NAMESPACE/NAME` of a pod, its name alone, or the start of a container ID. */
  readonly pod?: string
}

const COLOR: Readonly<Record<VfState, Color>> = {
  free: 'green',
  'in-use': 'bold',
  reserved: 'dim',
  host: 'dim',
  unfinished: 'yellow',
  leaked: 'yellow',
  foreign: 'dim',
  broken: 'red',
}

const isMeantFor = ({ pod }: StatusVf | StatusOther, wanted: string): boolean =>
  pod !== null && isMeant(wanted, { pod, containerId: pod.containerId })

/** `3 in use, 4 free`, in the order of what needs a look. */
function countsOf(vfs: readonly StatusVf[]): string {
  const order: readonly VfState[] = [...BAD_STATES, 'in-use', 'reserved', 'host', 'foreign', 'free']
  return order
    .map((state) => [vfs.filter((vf) => vf.state === state).length, state] as const)
    .filter(([count]) => count > 0)
    .map(([count, state]) => `${count} ${state === 'in-use' ? 'in use' : state}`)
    .join(', ')
}

/** A call that is at work is nothing to look at. */
const isSound = ({ problem, state, isAtWork }: StatusVf | StatusOther): boolean =>
  isAtWork || (!BAD_STATES.includes(state) && !(state === 'in-use' && problem))

const nameOfPf = ({ name, address }: StatusPf): string => name ?? address

const stateOfPf = ({ isUp, hasCarrier, name }: StatusPf): string =>
  name === null ? 'without an interface on the host' : isUp ? (hasCarrier ? 'up' : 'up, no carrier') : 'down'

/** What keeps every VF, or every VF of a PF, from serving pods. */
export type Troubles = readonly string[]

function troublesOf(host: CallHost, { pfs }: StatusDocument): Troubles {
  const errors = [...stateFindings(host), ...kubeletFindings(host, [])].filter((one) => severityOf(one) === 'error')
  return [
    ...pfs.filter(({ isUp, vfs }) => isUp === false && vfs.inUse > 0).map((pf) => `${nameOfPf(pf)} is down`),
    ...errors.map(({ subject, message }) => `${subject}: ${message}`),
  ]
}

/** How it ends: what needs a look, or that all is well. */
function endOf({ vfs, others }: StatusDocument, troubles: Troubles): string {
  const bad = [...vfs, ...others].filter((one) => !isSound(one)).length
  const bads =
    bad === 0 ? [] : [`${counted(bad, others.length > 0 ? 'device' : 'VF')} ${bad === 1 ? 'needs' : 'need'} a look`]
  const said = [...bads, ...troubles]
  return said.length === 0 ? 'all is well' : `${said.join('; ')} (sriovctl doctor)`
}

/** One sentence about the node. */
export function sentenceOf(document: StatusDocument, troubles: Troubles = []): string {
  const { pfs, vfs, others } = document
  if (pfs.length === 0) {
    return others.length === 0
      ? 'there is no PF on this node: no network card with SR-IOV, or it is switched off in the firmware'
      : `no PF is visible on this node; pods have ${counted(others.length, 'device')}; ${endOf(document, troubles)}`
  }
  const given = others.length === 0 ? '' : `; pods have ${counted(others.length, 'other device')}`
  if (vfs.length === 0) {
    return `no VFs on ${pfs.map(nameOfPf).join(', ')}: sriov_numvfs is 0${given}; ${endOf(document, troubles)}`
  }
  const names = pfs.filter((pf) => pf.vfs.configured > 0).map(nameOfPf)
  return `${counted(vfs.length, 'VF')} on ${names.join(', ')}: ${countsOf(vfs)}${given}; ${endOf(document, troubles)}`
}

const orDash = (text: string | number | null): string => (text === null || text === '' ? '-' : String(text))
const onOff = (value: boolean | null): string => (value === null ? '-' : value ? 'on' : 'off')

const vlanText = ({ vlan, qos, proto }: StatusVf): string =>
  vlan === null || (vlan === 0 && !qos) ? '-' : `${vlan}/${qos}${proto === '802.1ad' ? ' ad' : ''}`

const ratesText = ({ minTxRate, maxTxRate }: StatusVf): string =>
  minTxRate || maxTxRate ? `${minTxRate ?? 0}-${maxTxRate || '∞'}` : '-'

const sinceText = (since: string): string => `since ${since.replace(/\.\d+Z$/, 'Z')}`

function podText({ pod, promise }: StatusVf): string {
  if (!pod) {
    return promise ? `for a pod, as ${promise.resource} ${sinceText(promise.since)}` : '-'
  }
  return podNamed(pod)
}

function podNamed({ namespace, name, containerId, ifName, since }: NonNullable<StatusVf['pod']>): string {
  const id = containerId === null ? [] : [name === null ? shortId(containerId) : `(${shortId(containerId)})`]
  const named = name === null ? [] : [`${namespace}/${name}`]
  const when = since === null ? [] : [sinceText(since)]
  return [...named, ...id, ...(ifName === null ? [] : [ifName]), ...when].join(' ')
}

const HEADS = [
  'VF',
  'ADDRESS',
  'DRIVER',
  'INTERFACE',
  'MAC',
  'VLAN/QOS',
  'RATES',
  'SPOOF',
  'TRUST',
  'LINK',
  'STATE',
  'POD',
]

const rowOf = (vf: StatusVf): string[] => [
  String(vf.index),
  vf.address,
  orDash(vf.driver),
  orDash(vf.interface),
  orDash(vf.mac),
  vlanText(vf),
  ratesText(vf),
  onOff(vf.spoofchk),
  onOff(vf.trust),
  orDash(vf.linkState),
  vf.state,
  podText(vf),
]

function pfText(out: Output, pf: StatusPf, vfs: readonly StatusVf[]): string {
  const { address, driver, numaNode, eswitchMode, vfs: counts } = pf
  const facts = [
    address,
    driver ?? 'no driver',
    stateOfPf(pf),
    ...(numaNode === null ? [] : [`NUMA node ${numaNode}`]),
    ...(eswitchMode === 'switchdev' ? ['switchdev'] : []),
    `${counts.configured} of ${counts.total} VFs`,
  ]
  const head = `\n${colored(out, 'bold', nameOfPf(pf))} (${facts.join(', ')})\n`
  if (vfs.length === 0) {
    return head
  }
  // Colours come after the layout, so that they have no width.
  const lines = table(HEADS, vfs.map(rowOf)).split('\n')
  const body = lines.map((line, i) => {
    const state = vfs[i - 1]?.state
    return state === undefined ? line : line.replace(` ${state} `, ` ${colored(out, COLOR[state], state)} `)
  })
  const problems = vfs.flatMap(({ address: vf, problem }) =>
    problem === null ? [] : [`  ${vf}: ${printable(problem)}\n`],
  )
  return `${head}${body.join('\n')}${problems.join('')}`
}

function othersText(out: Output, others: readonly StatusOther[]): string {
  if (others.length === 0) {
    return ''
  }
  const rows = others.map(({ address, driver, state, pod, problem }) => [
    address,
    orDash(driver),
    state,
    podNamed(pod),
    orDash(problem),
  ])
  return `\n${colored(out, 'bold', 'Other devices of pods')}\n${table(['ADDRESS', 'DRIVER', 'STATE', 'POD', 'PROBLEM'], rows)}`
}

/** Text for a person: the sentence, then a table for each PF. */
export function statusText(out: Output, document: StatusDocument, troubles: Troubles): string {
  const { pfs, vfs, others } = document
  const tables = pfs.map((pf) =>
    pfText(
      out,
      pf,
      vfs.filter((vf) => vf.pf === nameOfPf(pf)),
    ),
  )
  return `${printable(sentenceOf(document, troubles))}\n${tables.join('')}${othersText(out, others)}`
}

/** Runs `status`. Returns the exit code: 1 when a VF needs a look. @throws PluginError */
export async function status(host: CallHost, out: Output, options: StatusOptions): Promise<number> {
  const whole = statusDocument(await survey(host, options.pf), await options.pods?.())
  if (options.pf !== undefined && whole.pfs.length === 0) {
    throw new Error(`there is no PF ${options.pf} on this node`)
  }
  const { pod } = options
  const isShown = (one: StatusVf | StatusOther) => pod === undefined || isMeantFor(one, pod)
  const [vfs, others] = [whole.vfs.filter(isShown), whole.others.filter(isShown)]
  if (pod !== undefined && vfs.length + others.length === 0) {
    throw new Error(`no device of this node is recorded for the pod ${pod}; sriovctl why ${pod} tells of its calls`)
  }
  const pfs = whole.pfs.filter((pf) => pod === undefined || vfs.some((vf) => vf.pf === nameOfPf(pf)))
  const document: StatusDocument = { pfs, vfs, others }
  const troubles = troublesOf(host, document)
  const text = options.json
    ? asJson(document)
    : options.brief
      ? `${printable(sentenceOf(document, troubles))}\n`
      : statusText(out, document, troubles)
  out.write(text)
  return [...vfs, ...others].every(isSound) && troubles.length === 0 ? 0 : 1
}
