/** Tells calls that died from calls that began or ended while one looked. Changes nothing and takes no lock. */
import { vfLockWorkers } from '../../state/lock.js'
import type { AttachmentRecord } from '../../state/record.js'
import { holderOf } from '../users/ownership.js'
import type { Common } from './survey-vf.js'
import { atWork, OF_DEAD, type Verdict } from './vf-state.js'

interface Seen {
  readonly address: string
  readonly record?: AttachmentRecord
  readonly verdict: Verdict
}

/** With `vlan-left`: its DEL may have ended since the PF was asked. */
const isDoubtful = ({ verdict: { reason } }: Seen): boolean =>
  reason !== undefined && (OF_DEAD.has(reason) || reason === 'vlan-left')

const stageOf = (record: AttachmentRecord): string => `${holderOf(record)} ${record.since} ${record.phase}`

/**
 * Looks again at the devices whose pods or calls seem dead, after a search for workers: between the look at a record and
 * the search of before, a call may have begun or ended. A record that is the same before and after the search, which found
 * nobody, is of the dead; if it is another, a call wrote it.
 */
export async function confirmDead<T extends Seen>(
  common: Common,
  devices: readonly T[],
  lookAgain: (common: Common, device: T) => Promise<T>,
): Promise<readonly T[]> {
  const [first, ...others] = devices.filter(isDoubtful).map(({ address }) => address)
  if (first === undefined) {
    return devices
  }
  const workersOn = vfLockWorkers(common.host, [first, ...others])
  await workersOn(first)
  const confirmed: T[] = []
  for (const device of devices) {
    confirmed.push(
      isDoubtful(device) ? unlessMoving(device, await lookAgain({ ...common, workersOn }, device)) : device,
    )
  }
  return confirmed
}

function unlessMoving<T extends Seen>({ record: before }: Seen, device: T): T {
  const { record } = device
  return isDoubtful(device) && before && record && stageOf(before) !== stageOf(record)
    ? { ...device, verdict: atWork('a call is', holderOf(record), record.since) }
    : device
}
