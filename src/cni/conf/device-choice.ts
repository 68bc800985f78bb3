/** How a configuration names the PCI function that a pod gets. */
import type { ConfigIssue } from '../../errors.js'
import type { PciAddress } from '../../pci/address.js'
import type { CallArgs } from '../args.js'
import { shownJson } from '../json.js'
import type { NetConfValues, RuntimeValues } from './netconf-schema.js'
import { readSelectors, type Selectors } from './selectors.js'

/**
 * A function by its PCI address; any VF of a PF, or only VF `vfIndex`; the PF itself; any VF that the selectors match.
 * `key` is the configuration key that the user wrote.
 */
export type DeviceChoice =
  | { readonly by: 'address'; readonly address: PciAddress }
  | { readonly by: 'pf'; readonly key: string; readonly pfName: string; readonly vfIndex?: number }
  | { readonly by: 'wholePf'; readonly key: string; readonly pfName: string }
  | { readonly by: 'selectors'; readonly text: string; readonly selectors: Selectors }

const DIGITS = /^\d{1,9}$/

/** Several keys can name the VF's PCI address. They must agree. */
function readAddress(values: NetConfValues, runtime: RuntimeValues, issues: ConfigIssue[]): PciAddress | undefined {
  const given = [
    ['runtimeConfig.deviceID', runtime.deviceID],
    ['deviceID', values.deviceID],
    ['pciBusID', values.pciBusID],
  ] as const
  const [first, ...others] = given.filter(([, address]) => address !== undefined)
  for (const [key, address] of others) {
    if (address !== first?.[1]) {
      issues.push({ key, problem: `${address} is not the device that ${first?.[0]} names (${first?.[1]})` })
    }
  }
  return first?.[1]
}

/** CNI_ARGS VF takes precedence over `vf` (intel 0.x). */
function readVfIndex(values: NetConfValues, { extra }: CallArgs, issues: ConfigIssue[]): number | undefined {
  const { VF } = extra
  if (VF === undefined) {
    return values.vf
  }
  if (!DIGITS.test(VF)) {
    issues.push({ key: 'CNI_ARGS VF', problem: `must be the index of a VF (it is ${shownJson(VF)})` })
    return undefined
  }
  return Number(VF)
}

/** `master` and `if0` both name the interface of the PF. They must agree. */
function readPf(values: NetConfValues, issues: ConfigIssue[]): { key: string; pfName: string } | undefined {
  const { master, if0 } = values
  if (master !== undefined && if0 !== undefined && master !== if0) {
    issues.push({ key: 'if0', problem: `${if0} is not the PF that master names (${master})` })
  }
  return master !== undefined
    ? { key: 'master', pfName: master }
    : if0 !== undefined
      ? { key: 'if0', pfName: if0 }
      : undefined
}

function readPfChoice(
  pf: { key: string; pfName: string },
  values: NetConfValues,
  args: CallArgs,
  issues: ConfigIssue[],
): DeviceChoice {
  const vfIndex = readVfIndex(values, args, issues)
  if (values.selectors !== undefined) {
    issues.push({ key: 'selectors', problem: `cannot stand beside ${pf.key}` })
  }
  if (values.pfOnly !== true) {
    return { by: 'pf', ...pf, ...(vfIndex !== undefined && { vfIndex }) }
  }
  if (vfIndex !== undefined) {
    issues.push({ key: 'vf', problem: 'cannot stand beside pfOnly, which takes the PF itself' })
  }
  return { by: 'wholePf', ...pf }
}

/**
 * The device that the configuration names. An address takes precedence over everything else. Undefined when the
 * configuration names no device, which adds an issue.
 */
export function readChoice(
  values: NetConfValues,
  runtime: RuntimeValues,
  args: CallArgs,
  issues: ConfigIssue[],
): DeviceChoice | undefined {
  const wereIssues = issues.length
  const address = readAddress(values, runtime, issues)
  if (address !== undefined) {
    return { by: 'address', address }
  }
  const pf = readPf(values, issues)
  if (pf) {
    return readPfChoice(pf, values, args, issues)
  }
  if (values.pfOnly === true) {
    issues.push({ key: 'pfOnly', problem: 'needs master or if0' })
  }
  if (values.vf !== undefined || args.extra.VF !== undefined) {
    issues.push({ key: values.vf === undefined ? 'CNI_ARGS VF' : 'vf', problem: 'needs master or if0' })
  }
  if (values.selectors !== undefined) {
    return {
      by: 'selectors',
      text: JSON.stringify(values.selectors),
      selectors: readSelectors(values.selectors, issues),
    }
  }
  const isBroken = issues.length > wereIssues || issues.some(({ key }) => WAYS.has(key))
  if (!isBroken) {
    issues.push({
      key: 'deviceID',
      problem: 'is missing: name the VF by its PCI address, like 0000:01:10.0, or choose one by master or selectors',
    })
  }
  return undefined
}

const WAYS = new Set(['deviceID', 'pciBusID', 'runtimeConfig.deviceID', 'master', 'if0', 'selectors'])
