/**
 * The resident process changes the kernel while the disk is still at work. What is certain then: a kill finds the intent,
 * and after a power cut nothing is left, because a lease and an answer wait for the disk.
 */
import { afterEach, describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { collectGarbage } from '../calls/collecting.js'
import { DEFAULT_IFNAME, del, startCall } from '../calls/plugin.js'
import { newPod, type Pod, removePods } from '../calls/pods.js'
import { resetHost } from '../host/host-reset.js'
import { link, linksIn } from '../host/kernel-view.js'
import { untouchedHost } from '../host/untouched-host.js'
import { CRASH_CONF, CRASH_VF, podFor, prepareFolders, recordPoints } from './crash.js'
import type { Point } from './hooked-call.js'
import { killDaemonAt, recordDaemon, TO_HOOKED_DAEMON } from './hooked-daemon.js'
import { bootAgain, CUT_POWER, removeDisk, stateFiles, useNewDisk } from './power.js'
import { isTornLease } from './torn-leases.js'

const host = untouchedHost()

// Registered after untouchedHost(), so it runs first.
afterEach(removeDisk)

const callBy = (verb: 'ADD' | 'DEL', pod: Pod) => () => startCall(verb, pod, CRASH_CONF, { env: TO_HOOKED_DAEMON }).done

async function pointsOf(verb: 'ADD' | 'DEL') {
  const pod = await podFor(verb)
  const points = await recordDaemon(callBy(verb, pod))
  await del(pod, CRASH_CONF)
  await removePods()
  return points.filter(({ when }) => when === 'after')
}

// Makes the folders.
await recordPoints('ADD')
const points = await pointsOf('ADD')
const delPoints = await pointsOf('DEL')

/** Where the order differs from that of a process of one call: from the intent on, the disk comes behind. */
const sinceIntent = points.slice(points.findIndex(({ what }) => what.startsWith('linkSync')))

/** What changes the disk or the kernel, or starts a program. */
const isChange = ({ what }: Point): boolean =>
  /^(writeNew|linkSync|renameSync|unlinkSync|syncPaths|exchangeRoute|startChild)/.test(what)

/** Every second one: kill points of a process of one call are all tried (crash-add.test.ts, crash-del.test.ts). */
const some = (all: readonly Point[]): readonly Point[] => all.filter(isChange).filter((_, i) => i % 2 === 0)

test('the recorded ADD moves its VF before the disk has the intent, and starts its IPAM plugin after it', () => {
  const order = sinceIntent.map(({ what }) => what)
  const at = (pattern: RegExp) => order.findIndex((what) => pattern.test(what))
  expect(at(/^syncPaths/)).toBeGreaterThanOrEqual(0)
  expect(at(/^exchangeRoute .*NEWLINK/)).toBeGreaterThan(at(/^syncPaths/))
  expect(at(/^startChild/)).toBeGreaterThan(at(/^exchangeRoute .*NEWLINK/))
})

describe('the resident process is killed in the middle of an ADD', () => {
  test.each(some(sinceIntent))('after $at, $what: the launcher answers, and the pod has its VF', async (point) => {
    count('kill points')
    const pod = await newPod()
    await killDaemonAt(point, callBy('ADD', pod))
    expect((await link(DEFAULT_IFNAME, pod)).parentdev).toBe(CRASH_VF.pci)
    await del(pod, CRASH_CONF)
    expect(await host.differences()).toEqual([])
  })
})

describe('the resident process is killed in the middle of a DEL', () => {
  test.each(some(delPoints))('after $at, $what: the launcher answers, and all is as before', async (point) => {
    count('kill points')
    const pod = await podFor('DEL')
    await killDaemonAt(point, callBy('DEL', pod))
    expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(['lo'])
    await removePods()
    expect(await host.differences()).toEqual([])
  })
})

describe('the power is cut in the middle of an ADD of the resident process', () => {
  test.each(some(sinceIntent))('after $at, $what: GC finds nothing that lasts', async (point) => {
    count('power cuts')
    await useNewDisk(() => prepareFolders('present'))
    const pod = await newPod()
    await killDaemonAt(point, callBy('ADD', pod), CUT_POWER)
    await bootAgain(() => host.prepare(resetHost))
    await collectGarbage(CRASH_VF)
    expect(stateFiles()).toEqual([])
    expect((await host.differences()).filter((line) => !isTornLease(line))).toEqual([])
  })
})
