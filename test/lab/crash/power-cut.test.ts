import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { collectGarbage } from '../calls/collecting.js'
import { add, call, DEFAULT_IFNAME, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod, type Pod } from '../calls/pods.js'
import { resetHost } from '../host/host-reset.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { CRASH_CONF, CRASH_VF, hookedCall, podFor, prepareFolders, recordPoints } from './crash.js'
import { killAt, type Point } from './hooked-call.js'
import { bootAgain, CUT_POWER, cutPower, removeDisk, stateFiles, useNewDisk } from './power.js'
import { isTornLease } from './torn-leases.js'

const host = untouchedHost()

// Registered after untouchedHost(), so it runs first.
afterEach(removeDisk)

/** What comes first after the next boot. */
const NEXT_CALLS: readonly (readonly [string, (dead: Pod) => Promise<void>])[] = [
  ['GC', () => collectGarbage(CRASH_VF)],
  ['DEL', (dead) => del(dead, CRASH_CONF, { env: { CNI_NETNS: '' } })],
  [
    'ADD of another pod, its DEL, and a GC',
    async () => {
      const pod = await newPod()
      const conf = netConf(CRASH_VF, { vlan: 55, ...hostLocal() })
      await add(pod, conf)
      await del(pod, conf)
      await collectGarbage(CRASH_VF)
    },
  ],
]

/** What may change the disk; all else changes only the cards, which a boot resets. */
const isFileOperation = ({ what, when }: Point): boolean =>
  when === 'after' && /^((link|rename|unlink|mkdir)Sync|writeNew|syncPathsNow) /.test(what) && !what.includes('_lock')

const filePointsOf = async (verb: 'ADD' | 'DEL') =>
  (await recordPoints(verb)).filter(isFileOperation).flatMap((point, i) => {
    const [next, goOn] = NEXT_CALLS[i % NEXT_CALLS.length] ?? []
    return next && goOn ? [{ ...point, next, goOn }] : []
  })

const addPoints = await filePointsOf('ADD')
const delPoints = await filePointsOf('DEL')

/** Boots again; the host counts as untouched from then on. */
async function boot(): Promise<void> {
  await bootAgain(() => host.prepare(resetHost))
  expect(stateFiles().filter((name) => name.startsWith('.unreadable'))).toEqual([])
}

/** Nothing is left on the disk, and the cards are as the boot left them. */
async function expectCleanDisk(): Promise<void> {
  expect(stateFiles()).toEqual([])
  expect((await host.differences()).filter((line) => !isTornLease(line))).toEqual([])
}

describe.each([
  ['ADD', addPoints],
  ['DEL', delPoints],
] as const)('the power is cut during %s', (verb, points) => {
  test.each(points)('$when $at, $what: $next cleans up', async ({ goOn, ...point }) => {
    count('power cuts')
    await useNewDisk(() => prepareFolders('present'))
    const pod = await podFor(verb)
    await killAt(point, hookedCall(verb, pod), CUT_POWER)
    await boot()
    await goOn(pod)
    await expectCleanDisk()
  })
})

test('the power is cut right after an ADD: its record is whole', async () => {
  count('power cuts')
  await useNewDisk(() => prepareFolders('present'))
  const pod = await podFor('ADD')
  const result = await add(pod, CRASH_CONF)
  await cutPower()
  await boot()
  const record: unknown = JSON.parse(readFileSync(`${STATE_FOLDER}/${pod.containerId}-${DEFAULT_IFNAME}`, 'utf8'))
  expect(record).toMatchObject({ phase: 'attached', containerId: pod.containerId, result: { ips: [{}] } })
  expect(JSON.stringify(record)).toContain(JSON.stringify(result.ips?.[0]?.address))
  await del(pod, CRASH_CONF, { env: { CNI_NETNS: '' } })
  await expectCleanDisk()
})

test('the power is cut right after a DEL: what it left is cleaned up', async () => {
  count('power cuts')
  await useNewDisk(() => prepareFolders('present'))
  const pod = await podFor('DEL')
  await del(pod, CRASH_CONF)
  await cutPower()
  await boot()
  expect((await call('DEL', pod, CRASH_CONF, { env: { CNI_NETNS: '' } })).exitCode).toBe(0)
  await expectCleanDisk()
})
