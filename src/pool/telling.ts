/** What the log says of pools, each thing once. */
import type { Log } from '../host/ports.js'
import { type Overlap, overlapsByPair, type Pool } from './devices/pools.js'

/** A device that cannot be handed out any more, or again. */
export function tellAilments(log: Log, before: Pool | undefined, now: Pool): void {
  const old = new Map(before?.devices.map(({ address, ailment }) => [address, ailment]))
  for (const { address, ailment } of now.devices) {
    const facts = { device: address, resource: now.conf.resource }
    if (ailment === old.get(address)) {
      continue
    }
    if (ailment === undefined) {
      log.info('a device can be handed out again', facts)
    } else {
      log.warning('a device is not handed out', { ...facts, why: ailment })
    }
  }
}

/** Returns a function that tells of overlaps when they have changed. */
export function overlapTeller(log: Log): (overlaps: readonly Overlap[]) => void {
  let told = ''
  return (overlaps) => {
    const text = JSON.stringify(overlaps)
    if (text !== told) {
      for (const { has, wants, devices } of overlapsByPair(overlaps)) {
        log.warning('two resources want the same devices; the first has them', { has, wants, devices })
      }
      told = text
    }
  }
}

/** Returns a function that tells of names that both configuration files have, when they have changed. */
export function clashTeller(log: Log): (resources: readonly string[]) => void {
  let told = ''
  return (resources) => {
    if (resources.join() !== told) {
      told = resources.join()
      if (resources.length > 0) {
        log.warning('both configuration files have these resources; the RDMA devices are not shared', { resources })
      }
    }
  }
}
