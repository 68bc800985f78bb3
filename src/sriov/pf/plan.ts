import type { WantedVf } from '../../cni/conf/wanted.js'
import type { VfChange, VfInfo, VfSettings } from '../../netlink/vf-info.js'

/** One setting of a VF: the change, and its name for error messages, in the words of the configuration. */
export interface VfStep {
  readonly operation: string
  readonly change: VfChange
}

const onOff = (value: boolean): string => (value ? 'on' : 'off')

function rateOperation(wanted: Pick<WantedVf, 'minTxRateMbps' | 'maxTxRateMbps'>): string {
  const parts = [
    ...(wanted.minTxRateMbps === undefined ? [] : [`min_tx_rate ${wanted.minTxRateMbps}`]),
    ...(wanted.maxTxRateMbps === undefined ? [] : [`max_tx_rate ${wanted.maxTxRateMbps}`]),
  ]
  return `set ${parts.join(' and ')}`
}

function rateStep(wanted: Pick<WantedVf, 'minTxRateMbps' | 'maxTxRateMbps'>, current: VfSettings): VfStep[] {
  const rate = {
    minTxRateMbps: wanted.minTxRateMbps ?? current.minTxRateMbps,
    maxTxRateMbps: wanted.maxTxRateMbps ?? current.maxTxRateMbps,
  }
  const holds = rate.minTxRateMbps === current.minTxRateMbps && rate.maxTxRateMbps === current.maxTxRateMbps
  return holds ? [] : [{ operation: rateOperation(wanted), change: { rate } }]
}

function vlanStep(vlan: NonNullable<WantedVf['vlan']>, current: VfSettings): VfStep[] {
  const holds = vlan.vlan === current.vlan && vlan.vlanQoS === current.vlanQoS && vlan.vlanProto === current.vlanProto
  return holds
    ? []
    : [{ operation: `set vlan ${vlan.vlan} (vlanQoS ${vlan.vlanQoS}, vlanProto ${vlan.vlanProto})`, change: { vlan } }]
}

/**
 * The steps from the current settings of a VF to the wanted ones, in the kernel's order. A value that holds already is
 * not written, so that drivers without the operation work. The MAC is always written: the PF may show the VF's own.
 */
export function planVf(wanted: WantedVf, current: VfInfo): VfStep[] {
  const { mac, vlan, minTxRateMbps, maxTxRateMbps, spoofchk, linkState, trust } = wanted
  const differs = (key: 'spoofchk' | 'linkState' | 'trust'): boolean =>
    current.unreported.includes(key) || (wanted[key] as unknown) !== current[key]
  return [
    ...(mac === undefined ? [] : [{ operation: `set mac ${mac}`, change: { mac } }]),
    ...(vlan === undefined ? [] : vlanStep(vlan, current)),
    ...(minTxRateMbps === undefined && maxTxRateMbps === undefined ? [] : rateStep(wanted, current)),
    ...(spoofchk !== undefined && differs('spoofchk')
      ? [{ operation: `set spoofchk ${onOff(spoofchk)}`, change: { spoofchk } }]
      : []),
    ...(linkState !== undefined && differs('linkState')
      ? [{ operation: `set link_state ${linkState}`, change: { linkState } }]
      : []),
    ...(trust !== undefined && differs('trust') ? [{ operation: `set trust ${onOff(trust)}`, change: { trust } }] : []),
  ]
}

/**
 * The steps back to the original settings, without the MAC, which has an order of its own (give-back/restore-mac.ts).
 */
export function planVfRestore(original: VfSettings, current: VfInfo): VfStep[] {
  const { vlan, vlanQoS, vlanProto, minTxRateMbps, maxTxRateMbps } = original
  const reported = (key: 'spoofchk' | 'linkState' | 'trust') =>
    current.unreported.includes(key) ? {} : { [key]: original[key] }
  return planVf(
    {
      vlan: { vlan, vlanQoS, vlanProto },
      minTxRateMbps,
      maxTxRateMbps,
      ...reported('spoofchk'),
      ...reported('linkState'),
      ...reported('trust'),
    },
    current,
  )
}

/** Whether the VF already has what a step would set. */
export function holds({ change }: VfStep, { unreported, ...current }: VfInfo): boolean {
  const { rate, vlan, ...single } = change
  return Object.entries({ ...single, ...rate, ...vlan }).every(
    ([key, value]) => current[key as keyof VfSettings] === value && !unreported.includes(key as keyof VfSettings),
  )
}

/** Merges several steps into the change of one message. */
export const mergeSteps = (steps: readonly VfStep[]): VfChange =>
  Object.assign({}, ...steps.map(({ change }) => change))

/** Checks the wanted rates against the current ones. Returns the problem; undefined when there is none. */
export function rateProblem(wanted: WantedVf, current: VfSettings): { key: string; problem: string } | undefined {
  const min = wanted.minTxRateMbps ?? current.minTxRateMbps
  const max = wanted.maxTxRateMbps ?? current.maxTxRateMbps
  if (max === 0 || min <= max || (wanted.minTxRateMbps === undefined && wanted.maxTxRateMbps === undefined)) {
    return undefined
  }
  return wanted.minTxRateMbps === undefined
    ? { key: 'max_tx_rate', problem: `${max} is below the min_tx_rate ${min} that the VF has` }
    : { key: 'min_tx_rate', problem: `${min} is above the max_tx_rate ${max} that the VF has` }
}
