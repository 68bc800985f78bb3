import { execFileSync } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import Table from 'cli-table3'
import { say } from './print.js'

/** One VF as the kernel shows it now. */
export interface VfRow {
  readonly index: number
  readonly pciAddress: string
  readonly place: string
  readonly mac: string
  readonly vlan: string
  readonly mtu: string
  readonly rate: string
  readonly spoofchk: string
  readonly trust: string
}

interface IpVf {
  readonly vf: number
  readonly address: string
  readonly vlan_list?: readonly { readonly vlan?: number }[]
  readonly rate?: { readonly max_tx?: number }
  readonly spoofchk?: boolean
  readonly trust?: boolean
}

const ipLink = (name: string) =>
  JSON.parse(execFileSync('ip', ['-j', '-d', 'link', 'show', name], { encoding: 'utf8' }))[0]

function netdevOf(pciAddress: string): string | undefined {
  try {
    return readdirSync(`/sys/bus/pci/devices/${pciAddress}/net`)[0]
  } catch {
    return undefined
  }
}

/** All VFs of a PF, from `ip -j -d link` and sysfs. */
export function readVfs(pf: string): VfRow[] {
  return (ipLink(pf).vfinfo_list as readonly IpVf[]).map(({ vf, address, vlan_list, rate, spoofchk, trust }) => {
    const pciAddress = basename(readlinkSync(`/sys/class/net/${pf}/device/virtfn${vf}`))
    const netdev = netdevOf(pciAddress)
    const vlan = vlan_list?.[0]?.vlan ?? 0
    return {
      index: vf,
      pciAddress,
      place: netdev === undefined ? 'in a container' : `host: ${netdev}`,
      mac: address,
      vlan: vlan === 0 ? '–' : String(vlan),
      mtu: netdev === undefined ? '' : String(ipLink(netdev).mtu),
      rate: rate?.max_tx ? `${rate.max_tx} Mbit/s` : '–',
      spoofchk: spoofchk ? 'on' : 'off',
      trust: trust ? 'on' : 'off',
    }
  })
}

export function showVfs(rows: readonly VfRow[]): void {
  const table = new Table({
    head: ['VF', 'PCI address', 'where', 'MAC', 'VLAN', 'max rate', 'spoofchk', 'trust'],
    style: { head: [], border: [], compact: true },
  })
  table.push(
    ...rows.map((row) => [row.index, row.pciAddress, row.place, row.mac, row.vlan, row.rate, row.spoofchk, row.trust]),
  )
  say(table.toString())
}
