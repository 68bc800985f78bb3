import { expect, test } from 'vitest'
import { count } from '../../counts.js'
import { add, type CniError, type Conf, call, DEFAULT_IFNAME, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod, type Pod } from '../calls/pods.js'
import { prepareFolders } from '../crash/crash.js'
import { link } from '../host/kernel-view.js'
import { untouchedHost } from '../host/untouched-host.js'
import { VFS, type Vf, vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const CALLS = 32
/** Two for most VFs, so that each of them is wanted while it is given and taken: they try again and again. */
const CHAINS = 16
const TRY_AGAIN = 11
const VF_IN_USE = 102
/** A VF that everybody wants is had within this time. */
const DEADLINE_MS = 600_000

interface Claimant {
  readonly pod: Pod
  readonly vf: Vf
  readonly conf: Conf
}

async function claimants(count: number): Promise<Claimant[]> {
  const all: Claimant[] = []
  for (let i = 0; i < count; i += 1) {
    const wanted = vf(i % VFS.length)
    all.push({
      pod: await newPod(),
      vf: wanted,
      conf: netConf(wanted, { vlan: 100 + wanted.index, mac: `02:00:00:00:05:${i + 10}`, ...hostLocal() }),
    })
  }
  return all
}

test('of 32 ADDs at once for 7 VFs, 7 succeed and the others name the holder; 32 DELs at once give all back', async () => {
  count('calls at once', 2 * CALLS)
  // Not even the folders are there: all make them at once.
  prepareFolders('absent')
  const all = await claimants(CALLS)
  const answers = await Promise.all(
    all.map(async (claimant) => ({ ...claimant, answer: await call('ADD', claimant.pod, claimant.conf) })),
  )
  const winners = answers.filter(({ answer }) => answer.exitCode === 0)
  expect(winners.map(({ vf: { name } }) => name).sort()).toEqual(VFS.map(({ name }) => name))
  for (const winner of winners) {
    expect(await link(DEFAULT_IFNAME, winner.pod)).toMatchObject({ parentdev: winner.vf.pci, address: winner.conf.mac })
  }
  for (const { vf: wanted, answer } of answers.filter((one) => !winners.includes(one))) {
    const error = JSON.parse(answer.stdout) as CniError
    const holder = winners.find((winner) => winner.vf === wanted)?.pod
    expect([VF_IN_USE, TRY_AGAIN], error.msg).toContain(error.code)
    expect(error.msg).toContain(`VF ${wanted.index} of ${wanted.pf}`)
    expect(
      [holder?.containerId, holder?.netns].some((name) => name && error.msg.includes(name)),
      error.msg,
    ).toBe(true)
  }
  await Promise.all(all.map(({ pod, conf }) => del(pod, conf)))
  expect(await host.differences()).toEqual([])
})

test('16 chains at once, each ADD until it has its VF and then DEL, all end', async () => {
  count('calls at once', CHAINS)
  const all = await claimants(CHAINS)
  const deadline = performance.now() + DEADLINE_MS
  await Promise.all(
    all.map(async ({ pod, conf }) => {
      for (;;) {
        const answer = await call('ADD', pod, conf)
        if (answer.exitCode === 0) {
          return del(pod, conf)
        }
        const error = JSON.parse(answer.stdout) as CniError
        expect([VF_IN_USE, TRY_AGAIN], error.msg).toContain(error.code)
        expect(performance.now(), `${error.msg}: for too long`).toBeLessThan(deadline)
      }
    }),
  )
  expect(await host.differences()).toEqual([])
})

test('ADD and DEL of one VF by turns, with a CHECK of another all the while', async () => {
  const [pod, other] = [await newPod(), await newPod()]
  const [conf, otherConf] = [netConf(vf(0), hostLocal()), netConf(vf(1), { vlan: 100, ...hostLocal() })]
  await add(other, otherConf)
  const before = await link(DEFAULT_IFNAME, other)
  for (let round = 0; round < 3; round += 1) {
    count('calls at once', 2)
    const [, check] = await Promise.all([add(pod, conf).then(() => del(pod, conf)), call('CHECK', other, otherConf)])
    expect(check.exitCode, check.stdout).toBe(0)
  }
  expect(await link(DEFAULT_IFNAME, other)).toEqual(before)
  await del(other, otherConf)
})
