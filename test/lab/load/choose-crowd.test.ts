import { describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { openConf, pfConf, vfIn } from '../calls/choosing.js'
import { type CniError, type Conf, call, del, hostLocal } from '../calls/plugin.js'
import { newPod, type Pod } from '../calls/pods.js'
import { linksIn, settingsOf } from '../host/kernel-view.js'
import { untouchedHost } from '../host/untouched-host.js'
import { ALL_VFS, OTHER_PF, PF, VFS, type Vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const PODS = 30
const TRY_AGAIN = 11
/** As many VFs a refusal names; it says how many there are beside. */
const MAX_NAMED = 8

interface Claimant {
  readonly pod: Pod
  readonly conf: Conf
  readonly vlan: number
}

/** Thirty pods, each with a VLAN of its own. */
async function claimants(confOf: (more: Conf) => Conf): Promise<Claimant[]> {
  const all: Claimant[] = []
  for (let i = 0; i < PODS; i += 1) {
    const vlan = 200 + i
    all.push({ pod: await newPod(), vlan, conf: confOf({ vlan, ...hostLocal() }) })
  }
  return all
}

/** What a refusal says of each VF that it names. */
const reasonsIn = (msg: string): string[] => msg.split(/there are \d+: /)[1]?.split('; ') ?? []

function expectRefusal({ code, msg }: CniError, vfs: readonly Vf[], winners: readonly Pod[]): void {
  expect(code, msg).toBe(TRY_AGAIN)
  expect(msg).toContain(`there are ${vfs.length}: `)
  const reasons = reasonsIn(msg)
  const named = reasons.slice(0, MAX_NAMED)
  expect(named, msg).toHaveLength(Math.min(vfs.length, MAX_NAMED))
  expect(reasons[MAX_NAMED], msg).toBe(vfs.length > MAX_NAMED ? `and ${vfs.length - MAX_NAMED} more` : undefined)
  for (const reason of named) {
    const isKnown =
      reason.endsWith('a call that is at work on it') ||
      winners.some(({ containerId, netns }) => reason.includes(containerId) || reason.includes(`${netns},`))
    expect(isKnown, msg).toBe(true)
  }
}

async function expectCrowd(vfs: readonly Vf[], confOf: (more: Conf) => Conf): Promise<void> {
  count('calls at once', 2 * PODS)
  const all = await claimants(confOf)
  const answers = await Promise.all(
    all.map(async (claimant) => ({ ...claimant, answer: await call('ADD', claimant.pod, claimant.conf) })),
  )
  const losers = answers.filter(({ answer }) => answer.exitCode !== 0)
  const refusals = losers.map(({ answer }) => JSON.parse(answer.stdout) as CniError)
  const winners: (Claimant & { readonly name: string })[] = []
  for (const claimant of answers.filter((one) => !losers.includes(one))) {
    winners.push({ ...claimant, name: await vfIn(claimant.pod) })
  }
  expect(winners.map(({ name }) => name).sort(), refusals[0]?.msg).toEqual(vfs.map(({ name }) => name))
  expect(losers).toHaveLength(PODS - vfs.length)
  for (const refusal of refusals) {
    expectRefusal(
      refusal,
      vfs,
      winners.map(({ pod }) => pod),
    )
  }
  for (const { name, vlan } of winners) {
    const own = vfs.find((one) => one.name === name)
    expect(own && (await settingsOf(own)), name).toMatchObject({ vlan_list: [{ vlan }] })
  }
  for (const { pod } of losers) {
    expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(['lo'])
  }
  await Promise.all(all.map(({ pod, conf }) => del(pod, conf)))
  expect(await host.differences()).toEqual([])
}

describe('thirty pods at once', () => {
  test('for the 7 VFs of a PF: 7 get one each, 23 are told who has them; 30 DELs at once give all back', async () => {
    await expectCrowd(VFS, pfConf)
  })

  test('for the 14 VFs of two PFs by selectors: 7 of each PF are given, 16 pods are refused', async () => {
    await expectCrowd(ALL_VFS, (more) => openConf({ selectors: { pfNames: [PF, OTHER_PF] }, ...more }))
  })

  test('for both PFs, half of them by name and half by selectors: no VF is given twice', async () => {
    let made = 0
    const confOf = (more: Conf): Conf => {
      made += 1
      return made % 2 === 0 ? pfConf(more) : openConf({ selectors: { drivers: ['igbvf'] }, ...more })
    }
    count('calls at once', 2 * PODS)
    const all = await claimants(confOf)
    const answers = await Promise.all(all.map(async ({ pod, conf }) => ({ pod, answer: await call('ADD', pod, conf) })))
    const names: string[] = []
    for (const { pod } of answers.filter(({ answer }) => answer.exitCode === 0)) {
      names.push(await vfIn(pod))
    }
    expect(names.sort()).toEqual(ALL_VFS.map(({ name }) => name))
    await Promise.all(all.map(({ pod, conf }) => del(pod, conf)))
  })
})
