import { expect, test } from 'vitest'
import { add, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { untouchedHost } from '../host/untouched-host.js'
import { VFS, vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

const CYCLES = 50
/** The guest has two processors. */
const AT_ONCE = 2

const confOf = (cycle: number) =>
  netConf(vf(cycle % VFS.length), {
    ...ALL_SETTINGS,
    ...hostLocal(),
    mac: `02:00:00:00:08:${cycle.toString(16).padStart(2, '0')}`,
    vlan: 100 + cycle,
  })

test(`${CYCLES} attachments over all VFs, two at a time, leave the host exactly as it was`, async () => {
  const pods = await Promise.all(Array.from({ length: AT_ONCE }, newPod))
  let next = 0
  const worker = async (pod: (typeof pods)[number]) => {
    while (next < CYCLES) {
      const conf = confOf(next)
      next += 1
      await add(pod, conf)
      await del(pod, conf)
    }
  }
  await Promise.all(pods.map(worker))
  expect(await host.differences()).toEqual([])
})

test('all VFs of a PF are attached at once and given back at once', async () => {
  const pods = await Promise.all(VFS.map(newPod))
  const results = await Promise.all(pods.map((pod, i) => add(pod, confOf(i))))
  const addresses = results.flatMap(({ ips }) => ips?.map(({ address }) => address))
  expect(new Set(addresses).size).toBe(VFS.length)
  await Promise.all(pods.map((pod, i) => del(pod, confOf(i))))
})

test('of two ADDs for one VF at the same moment one gets it, and the other says who has it', async () => {
  const pods = [await newPod(), await newPod()] as const
  const conf = netConf(vf(0), hostLocal())
  const answers = await Promise.allSettled(pods.map((pod) => add(pod, conf)))
  expect(answers.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  const loser = answers.find((answer) => answer.status === 'rejected')
  expect(String(loser?.reason)).toMatch(/VF 0 of ens1f0 \(0000:01:10\.0\) is in use by container c-pod/)
  for (const pod of pods) {
    await del(pod, conf)
  }
})
