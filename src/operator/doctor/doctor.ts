/** `sriovctl doctor`: what is wrong on this node, why it matters, and what to type. */
import * as z from 'zod/mini'
import type { Resident } from '../../daemon/probe.js'
import { survey } from '../../sriov/survey/survey.js'
import type { CallHost } from '../../state/folder.js'
import { asJson, type Color, colored, counted, type Output, printable } from '../output.js'
import { cardFindings } from './cards.js'
import { configurationFindings, knownNetworks } from './configurations.js'
import { driverFindings } from './drivers.js'
import { CATEGORIES, CHECKS, type Finding, type Severity, severityOf } from './findings.js'
import { ipamFindings } from './ipam.js'
import { kubeletFindings } from './kubelet.js'
import { leaseFindings } from './leases.js'
import { managerFindings } from './managers.js'
import { pluginFindings } from './plugin.js'
import { poolFindings } from './pool.js'
import { stateFindings } from './state.js'

const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info']
const COLOR: Readonly<Record<Severity, Color>> = { error: 'red', warning: 'yellow', info: 'dim' }
const SYMBOL: Readonly<Record<Severity, string>> = { error: '×', warning: '‼', info: 'i' }

const PAGE = 'docs/troubleshooting.md'

/** The JSON of `sriovctl doctor`. Its schema is docs/doctor.schema.json. */
export const DoctorDocument = z.strictObject({
  success: z.boolean(),
  findings: z.array(
    z.strictObject({
      id: z.enum(Object.keys(CHECKS) as [string, ...string[]]),
      severity: z.enum(['error', 'warning', 'info']),
      subject: z.string(),
      message: z.string(),
      remedy: z.array(z.string()),
    }),
  ),
})

/** What the doctor is told beside the host. */
export interface Examination {
  readonly resident: Resident
  /** Logs in to the cluster, whose network definitions are checked, too. */
  readonly kubeconfig?: string
}

/** Everything that is wrong, errors first. @throws PluginError kind `kernel` */
export async function examine(host: CallHost, { resident, kubeconfig }: Examination): Promise<readonly Finding[]> {
  const state = stateFindings(host)
  const isStateReadable = !state.some(({ id }) => id === 'state-untrusted')
  const known = await knownNetworks(host, kubeconfig)
  const sound = known.checked.filter(({ problems }) => problems.length === 0)
  const confs = known.checked.flatMap(({ conf }) => conf ?? [])
  const cards = isStateReadable ? await survey(host) : { pfs: [], vfs: [], others: [] }
  const findings = [
    ...(isStateReadable ? cardFindings(cards) : []),
    ...driverFindings(host.files, cards, confs),
    ...state,
    ...configurationFindings(host, known),
    ...(await ipamFindings(host, sound)),
    ...leaseFindings(host),
    ...kubeletFindings(host, sound),
    ...(isStateReadable ? await poolFindings(host) : []),
    ...(await managerFindings(host, cards.vfs)),
    ...pluginFindings(host, resident, known.checked.length > 0),
  ]
  const rank = (one: Finding) =>
    SEVERITIES.indexOf(severityOf(one)) * CATEGORIES.length + CATEGORIES.indexOf(CHECKS[one.id].category)
  return findings.sort((left, right) => rank(left) - rank(right))
}

function findingText(out: Output, finding: Finding): string {
  const { id, subject, message, remedy } = finding
  const severity = severityOf(finding)
  const mark = out.isTerminal ? SYMBOL[severity] : severity
  return [
    `${colored(out, COLOR[severity], mark)} ${printable(subject)}: ${printable(message)}\n`,
    `    ${CHECKS[id].why}\n`,
    ...remedy.map((line) => `    ${line.startsWith('#') ? line : `$ ${line}`}\n`),
    `    ${colored(out, 'dim', `${PAGE}#${id}`)}\n`,
  ].join('')
}

function sentenceOf(findings: readonly Finding[]): string {
  const count = (severity: Severity) => findings.filter((one) => severityOf(one) === severity).length
  const [errors, warnings] = [count('error'), count('warning')]
  return errors + warnings === 0 ? 'all is well' : `${counted(errors, 'error')}, ${counted(warnings, 'warning')}`
}

/** Runs `doctor`. Returns the exit code: 1 when there is an error. @throws PluginError */
export async function doctor(
  host: CallHost,
  out: Output,
  { json, ...examination }: Examination & { readonly json?: true },
): Promise<number> {
  const findings = await examine(host, examination)
  const success = findings.every((one) => severityOf(one) !== 'error')
  if (json) {
    const shown = findings.map((one) => ({ ...one, severity: severityOf(one) }))
    out.write(asJson({ success, findings: shown }))
  } else {
    out.write(`${sentenceOf(findings)}\n${findings.map((one) => `\n${findingText(out, one)}`).join('')}`)
  }
  return success ? 0 : 1
}
