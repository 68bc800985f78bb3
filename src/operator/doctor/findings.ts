/** What `sriovctl doctor` can find. The ids are stable: monitoring and docs/troubleshooting.md refer to them. */

export const CATEGORIES = ['card', 'PF', 'VFs', 'drivers', 'state', 'kubelet', 'configurations', 'plugin'] as const
export type Category = (typeof CATEGORIES)[number]

/** `error`: pods fail, or their traffic. `warning`: they will, or something is lost to the node. */
export type Severity = 'error' | 'warning' | 'info'

interface Check {
  readonly category: Category
  readonly severity: Severity
  /** Why it matters, in a sentence. */
  readonly why: string
}

const check = (category: Category, severity: Severity, why: string): Check => ({ category, severity, why })

export const CHECKS = {
  'no-sriov': check('card', 'warning', 'Without SR-IOV no pod gets a VF here.'),
  'no-vfs': check('card', 'warning', 'A PF without VFs has nothing to give to pods.'),
  'pf-down': check('PF', 'error', 'The VFs of a PF that is down have no link.'),
  'pf-no-carrier': check('PF', 'warning', 'Without a cable and a switch behind it, pods reach only each other.'),
  'pf-no-interface': check('PF', 'warning', 'Without its interface nobody can set MAC, VLAN or rates of its VFs.'),
  'vf-no-driver': check('VFs', 'error', 'A VF without a driver has no interface, and a pod that is to get one fails.'),
  'vf-not-reported': check('VFs', 'error', 'The PF’s driver does not know the VF: its settings cannot be made.'),
  'vf-state-untold': check('VFs', 'error', 'Who has the VF cannot be read; it is given to nobody.'),
  'vf-leaked': check('VFs', 'warning', 'The VF serves nobody until it is given back.'),
  'vf-unfinished': check('VFs', 'warning', 'A call ended in the middle; the next one that meets the VF goes on.'),
  'vf-vlan-of-nobody': check('VFs', 'warning', 'The next pod without a VLAN of its own would be in this one.'),
  'vf-elsewhere': check('VFs', 'warning', 'Somebody has moved the interface into a namespace; no pod can get the VF.'),
  'vf-record-lost': check('VFs', 'warning', 'Its DEL works by the claim, but CHECK fails.'),
  'vf-settings-changed': check(
    'VFs',
    'error',
    'The pod is in another VLAN, or has other rates, than its network says.',
  ),
  'driver-override-left': check(
    'VFs',
    'warning',
    'The kernel does not bind the VF to its own driver while this is set.',
  ),
  'vf-managed': check('VFs', 'warning', 'An address on a VF makes it the host’s: pods do not get it.'),
  'mac-twice': check('VFs', 'error', 'Of two VFs with one MAC on one PF, only one gets the traffic.'),
  'iommu-off': check('drivers', 'warning', 'vfio-pci cannot give a VF to a program without an IOMMU.'),
  'iommu-noiommu': check('drivers', 'warning', 'A program with a VF can then write to all of the memory.'),
  'iommu-group-shared': check('drivers', 'warning', 'vfio gives a VF away only when all of its group can be.'),
  'hugepages-none': check('drivers', 'warning', 'DPDK programs do not start without hugepages.'),
  'driver-missing': check('drivers', 'error', 'A configuration wants a driver that this kernel does not have.'),
  'state-untrusted': check('state', 'error', 'The records decide what is moved and bound: only root may write them.'),
  'state-not-writable': check('state', 'error', 'Without a record nothing is attached: every ADD fails.'),
  'state-full': check('state', 'error', 'Without room for a record nothing is attached: every ADD fails.'),
  'record-unreadable': check('state', 'warning', 'What it said of its VF is known from the claim only, or not at all.'),
  'record-of-gone-device': check('state', 'warning', 'The device is not in this machine any more.'),
  'claim-broken': check('state', 'warning', 'Whose the VF is cannot be read; it is not given to a pod.'),
  'policy-wrong': check('state', 'error', 'While the policy cannot be used, every ADD is refused.'),
  'kubelet-checkpoint-unknown': check('kubelet', 'error', 'VFs are not chosen while kubelet’s cannot be told apart.'),
  'kubelet-resource-empty': check('kubelet', 'warning', 'Pods that ask for this resource stay Pending.'),
  'pool-conf-invalid': check(
    'kubelet',
    'error',
    'What is wrong in it is not served, or the file of before stays in force.',
  ),
  'pool-overlap': check('kubelet', 'warning', 'The second resource has fewer devices than its selectors say.'),
  'pool-and-choice': check('kubelet', 'warning', 'Two parties choose among the same VFs.'),
  'conf-invalid': check('configurations', 'error', 'Pods of this network do not start.'),
  'conf-pf-missing': check('configurations', 'error', 'Pods of this network do not start.'),
  'conf-device-missing': check('configurations', 'error', 'Pods of this network do not start.'),
  'ipam-missing': check('configurations', 'error', 'Pods of this network get no address and do not start.'),
  'ipam-too-old': check('configurations', 'error', 'Pods of this network get no address and do not start.'),
  'ipam-lease-empty': check('configurations', 'warning', 'The address is given to nobody, and no DEL frees it.'),
  'kernel-too-old': check('plugin', 'error', 'ADD is refused on this kernel.'),
  'kernel-lacks': check('plugin', 'info', 'The plugin does without it; docs/kernels.md says how.'),
  'resident-absent': check('plugin', 'info', 'Calls work without it, each a little slower.'),
  'resident-hung': check('plugin', 'error', 'Each call waits for it in vain before it goes on alone.'),
  'resident-other-version': check(
    'plugin',
    'warning',
    'It carries out calls by another version than the one installed.',
  ),
  'plugin-missing': check('plugin', 'warning', 'The runtime finds no plugin in this folder.'),
  'clock-behind': check('plugin', 'info', 'The clock was set back: the journal is not in order of time.'),
} as const satisfies Readonly<Record<string, Check>>

export type FindingId = keyof typeof CHECKS

/** Something found. `remedy` is what to type, line by line; it may have a line that begins with `#`, for a person. */
export interface Finding {
  readonly id: FindingId
  /** What it is about: a device, a file, a network. */
  readonly subject: string
  readonly message: string
  readonly remedy: readonly string[]
}

export const severityOf = ({ id }: Finding): Severity => CHECKS[id].severity
