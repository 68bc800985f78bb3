import { execFileSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import type { Bed } from '../cases.js'

/** The folder that scripts/bench.d/on-machine mounts over the PCI devices of /sys. */
const { BENCH_PCI = '' } = process.env

const PEERS = 'bench-peers'
const NETWORK_CARD = '0x020000\n'

/** The address of a stand-in: eight functions on each device of bus fd. */
const addressOf = (index: number): string => {
  const device = Math.floor(index / 8)
  return `0000:fd:${device.toString(16).padStart(2, '0')}.${index % 8}`
}

const ip = (lines: readonly string[], ...how: string[]): void => {
  execFileSync('ip', [...how, '-batch', '-'], { input: `${lines.join('\n')}\n` })
}

/** What sysfs shows of a network card that stands alone; see native/bench/stand_ins.c for what is special. */
function inventFunction(address: string, netdev: string): void {
  const folder = `${BENCH_PCI}/${address}`
  mkdirSync(`${folder}/net/${netdev}`, { recursive: true })
  symlinkSync('../../../bus/pci/drivers/veth', `${folder}/driver`)
  symlinkSync(netdev, `${folder}/stand-in`)
  writeFileSync(`${folder}/class`, NETWORK_CARD)
}

/**
 * A pod for each of `count` stand-ins for VFs: the ends of veth pairs whose other ends are up in a namespace of their own,
 * so that they get a carrier.
 */
export function makeStandIns(count: number): Bed[] {
  const beds = Array.from({ length: count }, (_, i): Bed => {
    const pod = `bench-${i}`
    return { device: addressOf(i), netdev: `vf${i}`, netns: `/run/netns/${pod}`, container: pod }
  })
  ip([`netns add ${PEERS}`, ...beds.map(({ container }) => `netns add ${container}`)])
  ip(
    beds.flatMap(({ device, netdev }) => [
      `link add ${netdev} type veth peer name p-${netdev} netns ${PEERS}`,
      `link property add dev ${netdev} altname ${device}`,
    ]),
  )
  ip(
    beds.map(({ netdev }) => `link set p-${netdev} up`),
    '-netns',
    PEERS,
  )
  for (const { device, netdev } of beds) {
    inventFunction(device, netdev)
  }
  return beds
}
