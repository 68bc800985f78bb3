import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { driverOf, overrideOf } from './drivers.js'
import { type LinkView, linksIn } from './kernel-view.js'
import { ALL_VFS } from './virtual-functions.js'

/** All that a plugin may have left on the host: a text for each fact. */
export type Snapshot = ReadonlyMap<string, string>

export const STATE_FOLDER = '/var/lib/cni/sriov'
export const LEASE_FOLDER = '/var/lib/cni/networks'

/** Numbers that move by themselves; igbvf writes over permaddr when the MAC is set. */
const VOLATILE_KEYS = new Set(['ifindex', 'permaddr', 'stats', 'stats64', 'qdisc', 'operstate', 'link_index'])
/** Of a bridge: its timers are among the others, and what it takes over from its ports. */
const KEYS_OF_BRIDGE = new Set(['ifname', 'flags', 'address'])
/** Follow the carrier, some milliseconds late. */
const CARRIER_FLAGS = new Set(['LOWER_UP', 'NO-CARRIER', 'RUNNING'])
/** Of host-local: how far it has counted, and its lock. */
const NO_LEASE = /^(last_reserved_ip\..*|lock)$/
const IPV6_SETTINGS = ['disable_ipv6', 'optimistic_dad', 'use_optimistic', 'accept_dad'] as const

function* linkFacts(link: LinkView): Generator<[string, string]> {
  const title = link.parentdev ?? link.ifname
  for (const [key, value] of Object.entries(link)) {
    if (key === 'vfinfo_list') {
      for (const { vf, ...settings } of link.vfinfo_list ?? []) {
        for (const [setting, set] of Object.entries(settings)) {
          yield [`${title} vf ${vf} ${setting}`, JSON.stringify(set)]
        }
      }
    } else if (key === 'flags') {
      yield [`${title} flags`, link.flags.filter((flag) => !CARRIER_FLAGS.has(flag)).join(' ')]
    } else if (link.linkinfo?.info_kind === 'bridge' ? KEYS_OF_BRIDGE.has(key) : !VOLATILE_KEYS.has(key)) {
      yield [`${title} ${key}`, JSON.stringify(value)]
    }
  }
  for (const setting of IPV6_SETTINGS) {
    const path = `/proc/sys/net/ipv6/conf/${link.ifname}/${setting}`
    if (existsSync(path)) {
      yield [`${title} ${setting}`, readFileSync(path, 'utf8').trim()]
    }
  }
}

function* driverFacts(): Generator<[string, string]> {
  for (const vf of ALL_VFS) {
    yield [`${vf.pci} driver`, driverOf(vf)]
    yield [`${vf.pci} driver_override`, overrideOf(vf)]
  }
}

/** Every file below a folder. */
function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) {
    return []
  }
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name)
    return statSync(path).isDirectory() ? filesBelow(path) : [path]
  })
}

function* fileFacts(): Generator<[string, string]> {
  for (const path of filesBelow(STATE_FOLDER).filter((one) => !/\.lock$|\/\.journal(\.1)?$/.test(one))) {
    yield [path, readFileSync(path, 'utf8').trim()]
  }
  for (const path of filesBelow(LEASE_FOLDER).filter((one) => !NO_LEASE.test(basename(one)))) {
    yield [path, readFileSync(path, 'utf8').trim()]
  }
}

export async function snapshot(): Promise<Snapshot> {
  const links = await linksIn(undefined)
  return new Map([...links.flatMap((one) => [...linkFacts(one)]), ...driverFacts(), ...fileFacts()])
}

const MAX_SHOWN = 120
const shown = (fact: string | undefined): string =>
  fact === undefined ? '(absent)' : fact.length > MAX_SHOWN ? `${fact.slice(0, MAX_SHOWN)}…` : fact

const subjectOf = (fact: string): string => fact.slice(0, fact.indexOf(' '))

/** One line for each fact that differs; of an interface that came or went, only its name. */
export function differences(before: Snapshot, after: Snapshot): string[] {
  const facts = [...new Set([...before.keys(), ...after.keys()])]
  const isOfChanged = (fact: string) => {
    const name = `${subjectOf(fact)} ifname`
    return fact !== name && before.has(name) !== after.has(name) && !fact.includes(' driver')
  }
  return facts
    .filter((fact) => before.get(fact) !== after.get(fact) && !isOfChanged(fact))
    .map((fact) => `${fact}: ${shown(before.get(fact))} → ${shown(after.get(fact))}`)
}
