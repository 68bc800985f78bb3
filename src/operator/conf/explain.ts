/** `sriovctl explain`: what an ADD with a configuration would do on this node now. */
import type { NetConf } from '../../cni/conf/netconf.js'
import { messageOf, PluginError } from '../../errors.js'
import { openRtnl } from '../../rtnl/connection.js'
import { prospectsOf } from '../../sriov/allocation/prospects.js'
import { type Forecast, forecast } from '../../sriov/attach/inspect.js'
import { type DeviceLocation, describeDevice } from '../../sriov/device/locate.js'
import { planVf } from '../../sriov/pf/plan.js'
import type { CallHost } from '../../state/folder.js'
import { asJson, colored, type Output, printable } from '../output.js'
import type { FileProblem } from './networks.js'
import { type Checked, checkForAdd, NOTHING_OURS, networksAt } from './validate.js'

/** What would become of one configuration. */
interface Explained {
  readonly file: string
  readonly network: string
  readonly problems: readonly string[]
  /** Whether kubelet chooses the device: nothing is wrong then, although `device` is null. */
  readonly isFromDevicePlugin: boolean
  /** The device that a pod would get; null when there is none, or when kubelet chooses it. */
  readonly device: string | null
  /** What would be written to the PF, in its order. */
  readonly writes: readonly string[]
  readonly passedOver: readonly { readonly device: string; readonly why: string }[]
}

const shown = ({ file, line, key, problem }: FileProblem): string =>
  `${file}:${line}: ${key === undefined ? '' : `${key}: `}${problem}`

interface PassedOver {
  readonly location: DeviceLocation
  readonly why: string
}

/** Faults of one device, as a call that looks at it meets them: an ADD that chooses tries the next one. */
const OF_THE_DEVICE: ReadonlySet<string> = new Set(['device', 'kernel'])

async function forecastOf(host: CallHost, conf: NetConf, location: DeviceLocation): Promise<Forecast | string> {
  using hostRtnl = openRtnl(host)
  try {
    return await forecast(host, { conf, location, hostRtnl })
  } catch (error) {
    if (error instanceof PluginError && OF_THE_DEVICE.has(error.fault.kind)) {
      return error.message
    }
    throw error
  }
}

/** The device that an ADD would take, and those before and after it that it would not. */
async function choose(host: CallHost, conf: NetConf, device: NonNullable<NetConf['device']>) {
  const passedOver: PassedOver[] = []
  let taken: { readonly location: DeviceLocation; readonly found: Forecast } | undefined
  for (const { location, why } of await prospectsOf(host, conf, device)) {
    const found = why ?? (taken ? undefined : await forecastOf(host, conf, location))
    if (typeof found === 'string') {
      passedOver.push({ location, why: found })
    } else if (found) {
      taken = { location, found }
    }
  }
  return { taken, passedOver }
}

async function explainOne(host: CallHost, checked: Checked): Promise<Explained> {
  const { network, conf, problems } = checked
  const nothing: Explained = {
    file: network.file,
    network: network.name,
    problems: problems.map(shown),
    isFromDevicePlugin: network.isFromDevicePlugin,
    device: null,
    writes: [],
    passedOver: [],
  }
  const { device } = conf ?? {}
  if (!conf || !device || problems.length > 0) {
    return nothing
  }
  if (network.isFromDevicePlugin) {
    return nothing
  }
  try {
    const { taken, passedOver } = await choose(host, conf, device)
    const { issues = [], pfSide } = taken?.found ?? {}
    const { file, lineOf } = network
    return {
      ...nothing,
      problems: issues.map(({ key, problem }) => shown({ file, line: lineOf(key), key, problem })),
      passedOver: passedOver.map(({ location, why }) => ({ device: describeDevice(location), why })),
      ...(taken &&
        issues.length === 0 && {
          device: describeDevice(taken.location),
          writes: pfSide ? planVf(conf.vf, pfSide.vf).map(({ operation }) => operation) : [],
        }),
    }
  } catch (error) {
    return { ...nothing, problems: [messageOf(error)] }
  }
}

/** Whether an ADD would fail. Where kubelet chooses, whether it has a device left is not known here. */
const isHopeless = ({ problems, device, isFromDevicePlugin }: Explained): boolean =>
  problems.length > 0 || (device === null && !isFromDevicePlugin)

function answerOf(out: Output, { problems, device, isFromDevicePlugin }: Explained): string {
  if (problems.length > 0) {
    return colored(out, 'red', 'no ADD would succeed')
  }
  if (isFromDevicePlugin) {
    return 'kubelet chooses the device among those of its resource; everything else is right'
  }
  return device === null ? colored(out, 'red', 'no device') : `a pod would get ${device}`
}

function explainedText(out: Output, explained: Explained): string {
  const { file, network, problems, device, writes, passedOver } = explained
  const head = `${network === '' ? 'a network without a name' : network} (${file})`
  return [
    `${printable(head)}: ${answerOf(out, explained)}\n`,
    ...problems.map((problem) => `  ${printable(problem)}\n`),
    ...(device === null
      ? []
      : [`  its PF would be told: ${writes.length === 0 ? 'nothing' : printable(writes.join(', '))}\n`]),
    ...passedOver.map((one) => `  not ${printable(one.device)}: ${printable(one.why)}\n`),
  ].join('')
}

/** Prints what would happen. Returns the exit code: 1 when an ADD would fail, or there is nothing to explain. @throws PluginError */
export async function explain(
  host: CallHost,
  out: Output,
  path: string,
  { json }: { readonly json?: true },
): Promise<number> {
  const read = networksAt(host.files, path)
  const explained: Explained[] = []
  for (const network of read.networks) {
    explained.push(await explainOne(host, checkForAdd(host, network)))
  }
  const broken = read.problems.map(shown)
  out.write(
    json
      ? asJson({ problems: broken, networks: explained })
      : [...broken.map((one) => `${printable(one)}\n`), ...explained.map((one) => explainedText(out, one))].join('') ||
          `${printable(path)}: ${NOTHING_OURS}\n`,
  )
  return broken.length > 0 || explained.length === 0 || explained.some(isHopeless) ? 1 : 0
}
