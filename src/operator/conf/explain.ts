/** `sriovctl explain`: what an ADD with a configuration would do on this node now. */
import type { NetConf } from '../../cni/conf/netconf.js'
import { messageOf } from '../../errors.js'
import { openRtnl } from '../../rtnl/connection.js'
import { type Prospect, prospectsOf } from '../../sriov/allocation/prospects.js'
import { describeDevice } from '../../sriov/device/locate.js'
import { readVf } from '../../sriov/pf/apply.js'
import { planVf, rateProblem } from '../../sriov/pf/plan.js'
import type { CallHost } from '../../state/folder.js'
import { asJson, colored, type Output, printable } from '../output.js'
import type { FileProblem } from './networks.js'
import { checkNetwork, networksAt } from './validate.js'

/** What would become of one configuration. */
interface Explained {
  readonly file: string
  readonly network: string
  readonly problems: readonly string[]
  /** The device that a pod would get; null when there is none. */
  readonly device: string | null
  /** What would be written to the PF, in its order. */
  readonly writes: readonly string[]
  readonly passedOver: readonly { readonly device: string; readonly why: string }[]
}

async function writesFor(host: CallHost, conf: NetConf, { location: { vf } }: Prospect): Promise<string[]> {
  if (!vf) {
    return []
  }
  using rtnl = openRtnl(host)
  const { vf: current } = await readVf(rtnl, vf.pf.name, vf.index)
  const rates = rateProblem(conf.vf, current)
  return [
    ...planVf(conf.vf, current).map(({ operation }) => operation),
    ...(rates ? [`refused: ${rates.key} ${rates.problem}`] : []),
  ]
}

const shown = ({ file, line, key, problem }: FileProblem): string =>
  `${file}:${line}: ${key === undefined ? '' : `${key}: `}${problem}`

async function explainOne(host: CallHost, checked: ReturnType<typeof checkNetwork>): Promise<Explained> {
  const { network, conf, problems } = checked
  const nothing: Explained = {
    file: network.file,
    network: network.name,
    problems: problems.map(shown),
    device: null,
    writes: [],
    passedOver: [],
  }
  const { device } = conf ?? {}
  if (!conf || !device || problems.length > 0) {
    return nothing
  }
  if (network.isFromDevicePlugin) {
    return { ...nothing, problems: ['kubelet chooses the device of this network among those of its resource'] }
  }
  try {
    const prospects = await prospectsOf(host, conf, device)
    const taken = prospects.find(({ why }) => why === undefined)
    return {
      ...nothing,
      device: taken ? describeDevice(taken.location) : null,
      writes: taken ? await writesFor(host, conf, taken) : [],
      passedOver: prospects.flatMap(({ location, why }) =>
        why === undefined ? [] : [{ device: describeDevice(location), why }],
      ),
    }
  } catch (error) {
    return { ...nothing, problems: [messageOf(error)] }
  }
}

function explainedText(out: Output, { file, network, problems, device, writes, passedOver }: Explained): string {
  const head = `${network === '' ? 'a network without a name' : network} (${file})`
  const answer = device === null ? colored(out, 'red', 'no device') : `a pod would get ${device}`
  return [
    `${printable(head)}: ${problems.length > 0 && device === null ? colored(out, 'red', 'no ADD would succeed') : answer}\n`,
    ...problems.map((problem) => `  ${printable(problem)}\n`),
    ...(device === null
      ? []
      : [`  its PF would be told: ${writes.length === 0 ? 'nothing' : printable(writes.join(', '))}\n`]),
    ...passedOver.map((one) => `  not ${printable(one.device)}: ${printable(one.why)}\n`),
  ].join('')
}

/** Prints what would happen. Returns the exit code: 1 when an ADD would fail. @throws PluginError */
export async function explain(
  host: CallHost,
  out: Output,
  path: string,
  { json }: { readonly json?: true },
): Promise<number> {
  const read = networksAt(host.files, path)
  const explained: Explained[] = []
  for (const network of read.networks) {
    explained.push(await explainOne(host, checkNetwork(host, network)))
  }
  const broken = read.problems.map(shown)
  out.write(
    json
      ? asJson({ problems: broken, networks: explained })
      : [...broken.map((one) => `${printable(one)}\n`), ...explained.map((one) => explainedText(out, one))].join('') ||
          'there is no configuration of this plugin\n',
  )
  return broken.length > 0 || explained.some(({ device }) => device === null) ? 1 : 0
}
