import { execFileSync } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import { basename } from 'node:path'
import type { Bed } from './cases.js'

function vfsOf(pf: string): Pick<Bed, 'device' | 'netdev' | 'pf'>[] {
  const folder = `/sys/class/net/${pf}/device`
  return readdirSync(folder).flatMap((name) => {
    const index = /^virtfn(\d+)$/.exec(name)?.[1]
    if (index === undefined) {
      return []
    }
    const device = basename(readlinkSync(`${folder}/${name}`))
    const [netdev = ''] = readdirSync(`/sys/bus/pci/devices/${device}/net`)
    return [{ device, netdev, pf: { name: pf, index: Number(index) } }]
  })
}

/** A pod for every VF of the lab's guest. */
export function makeBeds(): Bed[] {
  const pfs = (process.env.LAB_PFS ?? '').split(' ').filter((pf) => pf !== '')
  return pfs.flatMap(vfsOf).map((vf, i) => {
    const name = `bench-${i}`
    execFileSync('ip', ['netns', 'add', name])
    return { ...vf, netns: `/run/netns/${name}`, container: name }
  })
}
