/** What is wrong with PFs and VFs. */
import { ZERO_MAC } from '../../netlink/mac.js'
import type { VfChange, VfInfo } from '../../netlink/vf-info.js'
import { planVf } from '../../sriov/pf/plan.js'
import type { Survey, SurveyedOther } from '../../sriov/survey/survey.js'
import type { SurveyedPf, SurveyedVf } from '../../sriov/survey/survey-vf.js'
import type { Reason } from '../../sriov/survey/vf-state.js'
import { holderOf } from '../../sriov/users/ownership.js'
import type { Finding, FindingId } from './findings.js'

const GIVE_BACK = ['sriovctl gc --apply']

function ofPf(pf: SurveyedPf): Finding[] {
  const { address, name, link, total, configured } = pf
  const subject = name ?? address
  // A new number of VFs resets many a PF, under the pod that has it.
  if (pf.isGiven) {
    return []
  }
  if (total > 0 && configured === 0) {
    return [
      {
        id: 'no-vfs',
        subject,
        message: `has no VFs; it can have ${total}`,
        remedy: [`# If pods are to have its VFs: name it in pfs.json with their number, and run sriovctl pf apply.`],
      },
    ]
  }
  if (configured === 0) {
    return []
  }
  if (!link) {
    return [
      {
        id: 'pf-no-interface',
        subject,
        message: `has no interface on the host (driver ${pf.driver === '' ? 'none' : pf.driver})`,
        remedy: [`# Bind it to its kernel driver, or bring its interface back from where it is.`],
      },
    ]
  }
  if (!link.isUp) {
    return [{ id: 'pf-down', subject, message: 'is down', remedy: [`ip link set ${link.name} up`] }]
  }
  return link.hasCarrier
    ? []
    : [
        {
          id: 'pf-no-carrier',
          subject,
          message: 'is up and has no carrier',
          remedy: ['# Look at the cable and at the port of the switch.'],
        },
      ]
}

const shortOf = ({ address, index, pf }: SurveyedVf): string => `${address} (VF ${index} of ${pf.name ?? pf.address})`

/** The findings of the verdicts that need a look. */
const FINDINGS: Readonly<Partial<Record<Reason, FindingId>>> = {
  'no-driver': 'vf-no-driver',
  'no-driver-in-pod': 'vf-no-driver',
  untold: 'vf-state-untold',
  'not-reported': 'vf-not-reported',
  'other-boot': 'vf-unfinished',
  'add-unfinished': 'vf-unfinished',
  'del-unfinished': 'vf-unfinished',
  'lease-left': 'vf-unfinished',
  'pod-gone': 'vf-leaked',
  'mark-left': 'vf-leaked',
  'driver-override': 'driver-override-left',
  'vlan-left': 'vf-vlan-of-nobody',
  'interface-elsewhere': 'vf-elsewhere',
  'record-lost': 'vf-record-lost',
}

function remedyOf(id: FindingId, { address, index, pf, facts, record }: SurveyedVf): readonly string[] {
  switch (id) {
    case 'vf-no-driver':
      if (record?.dpdk) {
        return ['# Its program has lost it. Delete the pod: the DEL gives the VF its driver back.']
      }
      return [
        ...(facts.driverOverride === '' ? [] : [`echo > /sys/bus/pci/devices/${address}/driver_override`]),
        `echo ${address} > /sys/bus/pci/drivers_probe`,
      ]
    case 'driver-override-left':
      return [`echo > /sys/bus/pci/devices/${address}/driver_override`]
    case 'vf-vlan-of-nobody':
      return [`ip link set ${pf.name} vf ${index} vlan 0`]
    case 'vf-not-reported':
      return ['# Look at the log of the kernel (dmesg) for the driver of the PF; its VFs may have to be made again.']
    case 'vf-state-untold':
      return [
        '# Look at the file that is named: it must be root’s, and readable. sriovctl gc --apply removes what nobody needs.',
      ]
    case 'vf-elsewhere':
      return [`sriovctl repair ${address}`]
    case 'vf-record-lost':
      return ['# Nothing: the DEL of its pod gives it back.']
    default:
      return GIVE_BACK
  }
}

function ofVf(vf: SurveyedVf): Finding[] {
  const { reason } = vf.verdict
  const id = reason === undefined ? undefined : FINDINGS[reason]
  return id === undefined
    ? []
    : [{ id, subject: shortOf(vf), message: vf.verdict.problem ?? vf.verdict.state, remedy: remedyOf(id, vf) }]
}

/** What is wrong with a PF that a pod has as a whole, or a VF whose PF is not visible. */
function ofOther({ address, verdict: { reason, state, problem = state } }: SurveyedOther): Finding[] {
  const id = reason === undefined ? undefined : FINDINGS[reason]
  return id === 'vf-unfinished' || id === 'vf-leaked'
    ? [{ id, subject: address, message: problem, remedy: GIVE_BACK }]
    : []
}

function sameMacs(vfs: readonly SurveyedVf[]): Finding[] {
  const byMac = new Map<string, SurveyedVf[]>()
  for (const vf of vfs) {
    const mac = vf.settings?.mac
    if (mac !== undefined && mac !== ZERO_MAC) {
      const key = `${vf.pf.address} ${mac}`
      byMac.set(key, [...(byMac.get(key) ?? []), vf])
    }
  }
  return [...byMac.values()]
    .filter((same) => same.length > 1)
    .map((same) => {
      const idle = same.find(
        ({ verdict: { state }, promise }) => state === 'free' || (state === 'reserved' && !promise),
      )
      return {
        id: 'mac-twice',
        subject: same.map(shortOf).join(', '),
        message: `have one MAC, ${same[0]?.settings?.mac}`,
        remedy: [
          idle
            ? `ip link set ${idle.pf.name} vf ${idle.index} mac 00:00:00:00:00:00`
            : '# None of them is free: give one of their users another MAC.',
        ],
      }
    })
}

const onOff = (value: boolean): string => (value ? 'on' : 'off')

/** The command that makes a setting of a VF as its attachment wants it. */
function settingCommand(pf: string, index: number, { vlan, rate, spoofchk, linkState, trust }: VfChange): string {
  const words = [
    ...(vlan ? [`vlan ${vlan.vlan} qos ${vlan.vlanQoS} proto ${vlan.vlanProto}`] : []),
    ...(rate ? [`max_tx_rate ${rate.maxTxRateMbps} min_tx_rate ${rate.minTxRateMbps}`] : []),
    ...(spoofchk === undefined ? [] : [`spoofchk ${onOff(spoofchk)}`]),
    ...(linkState === undefined ? [] : [`state ${linkState}`]),
    ...(trust === undefined ? [] : [`trust ${onOff(trust)}`]),
  ]
  return `ip link set ${pf} vf ${index} ${words.join(' ')}`
}

/** What somebody has changed at the PF since a pod got its VF. */
function changedSettings(vf: SurveyedVf): Finding[] {
  const { record, settings, pf, index } = vf
  if (vf.verdict.state !== 'in-use' || !record || record.phase !== 'attached' || !settings || pf.name === undefined) {
    return []
  }
  const { mac: _mac, ...wanted } = record.wanted.vf
  const steps = planVf(wanted, settings).filter(({ change }) =>
    Object.keys(change).every((key) => isReported(settings, key)),
  )
  const name = pf.name
  return steps.length === 0
    ? []
    : [
        {
          id: 'vf-settings-changed',
          subject: shortOf(vf),
          message: `${steps.map(({ operation }) => operation.replace(/^set /, '')).join(', ')} was set for ${holderOf(record)}, and does not hold any more`,
          remedy: steps.map(({ change }) => settingCommand(name, index, change)),
        },
      ]
}

const isReported = ({ unreported }: VfInfo, key: string): boolean => !(unreported as readonly string[]).includes(key)

export function cardFindings({ pfs, vfs, others }: Survey): Finding[] {
  const withoutSriov: Finding[] =
    // A virtual machine has VFs without their PF.
    pfs.length > 0 || others.length > 0
      ? []
      : [
          {
            id: 'no-sriov',
            subject: 'this node',
            message: 'no PCI device can have VFs (none has sriov_totalvfs)',
            remedy: [
              '# Switch SR-IOV on in the firmware (BIOS) and in the card, load its driver; the kernel needs CONFIG_PCI_IOV.',
            ],
          },
        ]
  return [
    ...withoutSriov,
    ...pfs.flatMap(ofPf),
    ...vfs.flatMap(ofVf),
    ...others.flatMap(ofOther),
    ...vfs.flatMap(changedSettings),
    ...sameMacs(vfs),
  ]
}
