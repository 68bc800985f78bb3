import { mkdirSync, writeFileSync } from 'node:fs'
import { link, settingsOf } from '../host/kernel-view.js'
import { ip, run } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import type { Vf } from '../host/virtual-functions.js'
import { BIN_DIR, type CniResult, type Conf, cniEnvironment, DEFAULT_IFNAME } from './plugin.js'
import type { Pod } from './pods.js'

/** What the Go sriov-cni was told of a VF; `isOld`: by version 2.2, which kept neither trust, MTU nor protocol. */
export interface GoSettings {
  readonly vlan?: number
  readonly mac?: string
  readonly trust?: 'on' | 'off'
  readonly spoofchk?: 'on' | 'off'
  readonly isOld?: boolean
}

const ETH_P_8021Q = 33024

/** As the PF and the interface showed them. */
interface OriginalMacs {
  readonly admin: string
  readonly effective: string
}

/** Its record: its configuration, of `ipam` the type only, and the VF as it was (pkg/utils, SaveNetConf). */
function recordOf(vf: Vf, macs: OriginalMacs, network: Conf, settings: GoSettings): Conf {
  const { vlan, mac = '', trust, spoofchk, isOld } = settings
  return {
    cniVersion: isOld ? '0.3.1' : '1.0.0',
    name: network.name,
    type: 'sriov',
    ipam: network.ipam === undefined ? {} : { type: (network.ipam as { type: string }).type },
    dns: {},
    OrigVfState: {
      HostIFName: vf.name,
      SpoofChk: true,
      AdminMAC: macs.admin,
      EffectiveMAC: macs.effective,
      Vlan: 0,
      VlanQoS: 0,
      MinTxRate: 0,
      MaxTxRate: 0,
      LinkState: 0,
      ...(!isOld && { Trust: false, VlanProto: ETH_P_8021Q, MTU: 1500 }),
    },
    DPDKMode: false,
    Master: vf.pf,
    MAC: mac,
    vlan: vlan ?? null,
    vlanQoS: null,
    deviceID: vf.pci,
    VFID: vf.index,
    min_tx_rate: null,
    max_tx_rate: null,
    ...(spoofchk && { spoofchk }),
    ...(trust && { trust }),
    ...(isOld && { ContIFNames: DEFAULT_IFNAME }),
    runtimeConfig: {},
  }
}

async function setUpVf({ name, pf, index }: Vf, pod: Pod, { vlan, mac, trust, spoofchk }: GoSettings): Promise<void> {
  const told = [
    vlan === undefined ? '' : ` vlan ${vlan}`,
    spoofchk === undefined ? '' : ` spoofchk ${spoofchk}`,
    trust === undefined ? '' : ` trust ${trust}`,
  ].join('')
  if (told !== '') {
    await ip(`link set dev ${pf} vf ${index}${told}`)
  }
  await ip(`link set dev ${name} down`)
  if (mac !== undefined) {
    await ip(`link set dev ${name} address ${mac}`)
    await ip(`link set dev ${pf} vf ${index} mac ${mac}`)
  }
  await ip(`link set dev ${name} netns ${pod.name} name ${DEFAULT_IFNAME}`)
  await ip(`-n ${pod.name} link set dev ${DEFAULT_IFNAME} up`)
}

/** The lease that its IPAM plugin gave, with the address in the pod. */
async function lease(pod: Pod, network: Conf): Promise<CniResult> {
  const plugin = `${BIN_DIR}/${(network.ipam as { type: string }).type}`
  const { stdout } = await run(plugin, [], { env: cniEnvironment('ADD', pod), stdin: JSON.stringify(network) })
  const result = JSON.parse(stdout) as CniResult
  for (const { address } of result.ips ?? []) {
    await ip(`-n ${pod.name} addr add ${address} dev ${DEFAULT_IFNAME}`)
  }
  return result
}

/** Gives a VF to a pod as the Go sriov-cni does, with its record and its mark; returns the runtime's result. */
export async function attachAsGoPlugin(pod: Pod, vf: Vf, network: Conf, settings: GoSettings): Promise<CniResult> {
  const { address } = await link(vf.name)
  const macs = { admin: (await settingsOf(vf)).address, effective: address }
  mkdirSync(`${STATE_FOLDER}/pci`, { recursive: true })
  await setUpVf(vf, pod, settings)
  const leased = network.ipam === undefined ? {} : await lease(pod, network)
  const record = recordOf(vf, macs, network, settings)
  writeFileSync(`${STATE_FOLDER}/${pod.containerId}-${DEFAULT_IFNAME}`, JSON.stringify(record), { mode: 0o600 })
  writeFileSync(`${STATE_FOLDER}/pci/${vf.pci}`, pod.netns)
  return {
    cniVersion: '1.0.0',
    ...leased,
    interfaces: [{ name: DEFAULT_IFNAME, mac: settings.mac ?? address, sandbox: pod.netns }],
  }
}
