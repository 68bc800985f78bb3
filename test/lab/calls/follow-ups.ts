import { existsSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'
import { link, linksIn } from '../host/kernel-view.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import type { Vf } from '../host/virtual-functions.js'
import { collectGarbage } from './collecting.js'
import { add, type Conf, call, DEFAULT_IFNAME, del, hostLocal, netConf } from './plugin.js'
import { newPod, type Pod, removePod } from './pods.js'

/** An attachment whose ADD, DEL or GC was killed. */
export interface Attempt {
  readonly pod: Pod
  readonly conf: Conf
  readonly vf: Vf
}

/** What comes after a kill; each leaves the host as it was before the first ADD. */
export interface FollowUp {
  readonly name: string
  run(attempt: Attempt): Promise<void>
}

const VF_IN_USE = 102

function phaseOf({ containerId }: Pod): string {
  const path = `${STATE_FOLDER}/${containerId}-${DEFAULT_IFNAME}`
  return existsSync(path) ? String((JSON.parse(readFileSync(path, 'utf8')) as { phase?: unknown }).phase) : 'none'
}

async function expectEmpty(pod: Pod): Promise<void> {
  expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(['lo'])
}

/** An ADD of another pod; only an attachment that was made whole, and whose pod lives, may be in its way. */
async function addNext(next: Pod, conf: Conf, { pod, conf: firstConf }: Attempt): Promise<void> {
  const phase = phaseOf(pod)
  const answer = await call('ADD', next, conf)
  if (answer.exitCode !== 0) {
    expect([phase, JSON.parse(answer.stdout)]).toMatchObject(['attached', { code: VF_IN_USE }])
    await del(pod, firstConf)
    await add(next, conf)
  }
}

export const FOLLOW_UPS: readonly FollowUp[] = [
  {
    name: 'DEL',
    async run({ pod, conf }) {
      await del(pod, conf)
      await expectEmpty(pod)
    },
  },
  {
    name: 'GC',
    async run({ pod, vf }) {
      await collectGarbage(vf)
      await expectEmpty(pod)
    },
  },
  {
    name: 'ADD of another pod, then a late DEL',
    async run(attempt) {
      const next = await newPod()
      const conf = netConf(attempt.vf, { vlan: 55, ...hostLocal() })
      await addNext(next, conf, attempt)
      const before = await link(DEFAULT_IFNAME, next)
      expect(before.parentdev).toBe(attempt.vf.pci)
      await del(attempt.pod, attempt.conf)
      expect(await link(DEFAULT_IFNAME, next)).toMatchObject({ address: before.address, flags: before.flags })
      await del(next, conf)
    },
  },
  {
    name: 'the end of the pod, then a DEL without CNI_NETNS',
    async run({ pod, conf }) {
      await removePod(pod)
      await del(pod, conf, { env: { CNI_NETNS: '' } })
    },
  },
]

/** Each point with one of the follow-ups, by rotation. `next` is what a test's name calls it. */
export const rotated = <T>(points: readonly T[]): (T & { readonly followUp: FollowUp; readonly next: string })[] =>
  points.flatMap((point, i) => {
    const followUp = FOLLOW_UPS[i % FOLLOW_UPS.length]
    return followUp ? [{ ...point, followUp, next: followUp.name }] : []
  })
