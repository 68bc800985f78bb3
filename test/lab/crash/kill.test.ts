import { existsSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { add, DEFAULT_IFNAME, del, hostLocal, netConf, startCall, type Verb } from '../calls/plugin.js'
import { newPod, type Pod, removePods } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { link, linksIn } from '../host/kernel-view.js'
import { type Running, sleep } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'
import { removeTornLeases } from './torn-leases.js'

const host = untouchedHost()

const conf = netConf(vf(2), { ...ALL_SETTINGS, ...hostLocal() })
const otherConf = netConf(vf(2), { vlan: 55, ...hostLocal() })
/** Starting Node.js takes the first half, so most moments lie in the second. */
const MOMENTS = [10, 30, 45, 55, 65, 72, 79, 86, 93, 100] as const
const ROUNDS = 3

/** Median durations of calls that are left alone. */
let addMs = 0
let delMs = 0

const median = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

beforeAll(async () => {
  const pod = await newPod()
  const [adds, dels]: [number[], number[]] = [[], []]
  for (let round = 0; round < ROUNDS; round += 1) {
    adds.push((await startCall('ADD', pod, conf).done).durationMs)
    dels.push((await startCall('DEL', pod, conf).done).durationMs)
  }
  await removePods()
  addMs = median(adds)
  delMs = median(dels)
})

/** Kills a call with all that it has started. */
async function kill(running: Running): Promise<void> {
  running.killGroup()
  await running.done
  removeTornLeases()
}

async function killAfter(verb: Verb, pod: Pod, ms: number): Promise<void> {
  const running = startCall(verb, pod, conf)
  await sleep(ms)
  await kill(running)
}

/** Kills an ADD as soon as something shows that it has come so far. */
async function killAddWhen(pod: Pod, hasComeSoFar: () => boolean): Promise<void> {
  const running = startCall('ADD', pod, conf)
  const end = running.done.then(() => true)
  while (!hasComeSoFar() && !(await Promise.race([end, sleep(1)]))) {}
  await kill(running)
}

const hasRecord = (pod: Pod) => () => existsSync(`${STATE_FOLDER}/${pod.containerId}-${DEFAULT_IFNAME}`)
const hasLeftHost = () => !existsSync(`/sys/class/net/${vf(2).name}`)

const STAGES: readonly (readonly [string, (pod: Pod) => () => boolean])[] = [
  ['once its record is written', hasRecord],
  ['once the VF has left the host', () => hasLeftHost],
]

describe('an ADD killed at a percentage of its time', () => {
  test.each(MOMENTS)('%i: is undone by DEL', async (percent) => {
    const pod = await newPod()
    await killAfter('ADD', pod, (addMs * percent) / 100)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
    expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(['lo'])
  })
})

describe('an ADD killed', () => {
  test.each(STAGES)('%s does not keep another pod from the VF', async (_stage, reached) => {
    const [killed, next] = [await newPod(), await newPod()]
    await killAddWhen(killed, reached(killed))
    await add(next, otherConf)
    expect((await link(DEFAULT_IFNAME, next)).parentdev).toBe(vf(2).pci)
    // The late DEL of the killed one leaves the new pod alone.
    await del(killed, conf)
    expect((await link(DEFAULT_IFNAME, next)).parentdev).toBe(vf(2).pci)
    await del(next, otherConf)
  })

  test.each(STAGES)('%s is undone by DEL when its namespace is gone too', async (_stage, reached) => {
    const pod = await newPod()
    await killAddWhen(pod, reached(pod))
    await removePods()
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test.each(STAGES)('%s is followed by an ADD of the same container, which starts afresh', async (_stage, reached) => {
    const pod = await newPod()
    await killAddWhen(pod, reached(pod))
    await add(pod, conf)
    await del(pod, conf)
  })
})

describe('a DEL killed at a percentage of its time', () => {
  test.each([30, 50, 60, 70, 80, 90])('%i: is finished by the next DEL', async (percent) => {
    const pod = await newPod()
    await add(pod, conf)
    await killAfter('DEL', pod, (delMs * percent) / 100)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })
})
