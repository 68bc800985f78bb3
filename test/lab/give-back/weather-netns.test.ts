import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { add, call, cniEnvironment, DEFAULT_IFNAME, del, hostLocal, netConf, PLUGIN } from '../calls/plugin.js'
import { newPod, type Pod, removePod } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { startSleeper, startSleeperAs } from '../calls/sleeper.js'
import { link, linksIn } from '../host/kernel-view.js'
import { run, shell, start, until } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

/** Process IDs are taken by other things of the machine, too. */
const SUCCESSIONS = 4

const conf = netConf(vf(1), { ...ALL_SETTINGS, ...hostLocal() })
const otherConf = netConf(vf(2), { vlan: 100, ...hostLocal() })

/** What a runtime may give as CNI_NETNS of a DEL; undefined unsets it. `undo` clears the path. */
interface Weather {
  readonly path?: string
  undo?(): Promise<unknown>
}

type Change = (pod: Pod) => Promise<Weather>

const WEATHERS: readonly (readonly [string, Change])[] = [
  ['unset', async () => ({})],
  ['empty', async () => ({ path: '' })],
  ['a path that is not there', async () => ({ path: '/run/netns/no-such-pod' })],
  ['a path below a file', async () => ({ path: '/etc/passwd/netns' })],
  [
    'a plain file',
    async ({ name }) => {
      const path = `/run/netns/file-${name}`
      writeFileSync(path, '')
      return { path, undo: async () => rmSync(path) }
    },
  ],
  [
    'a folder with a tmpfs',
    async ({ name }) => {
      const path = `/run/netns/tmpfs-${name}`
      await shell(`mkdir ${path}; mount -t tmpfs none ${path}`)
      return { path, undo: () => shell(`umount ${path}; rmdir ${path}`) }
    },
  ],
  ['the namespace of the plugin itself', async () => ({ path: `/proc/${process.pid}/ns/net` })],
]

/** DEL with CNI_NETNS as it is, the empty text included. */
async function delAt(pod: Pod, path: string | undefined): Promise<void> {
  const { CNI_NETNS: _netns, ...env } = cniEnvironment('DEL', pod)
  const answer = await run(PLUGIN, [], {
    env: { ...env, ...(path !== undefined && { CNI_NETNS: path }) },
    stdin: JSON.stringify(conf),
    cwd: '/',
  })
  expect([answer.exitCode, answer.stdout]).toEqual([0, ''])
}

describe.each(WEATHERS)('DEL with CNI_NETNS %s', (_name, change) => {
  test.each([
    ['stands', false],
    ['is gone', true],
  ])('gives the VF back when the namespace %s', async (_state, isGone) => {
    const pod = await newPod()
    await add(pod, conf)
    if (isGone) {
      await removePod(pod)
    }
    const { path, undo } = await change(pod)
    await delAt(pod, path)
    await undo?.()
    expect(await host.differences()).toEqual([])
  })
})

test('DEL gives the VF back when a tmpfs hides the path of the namespace', async () => {
  const pod = await newPod()
  await add(pod, conf)
  await removePod(pod)
  await shell(`mkdir ${pod.netns}; mount -t tmpfs none ${pod.netns}`)
  await del(pod, conf)
  await shell(`umount ${pod.netns}; rmdir ${pod.netns}`)
})

/** A pod that died with its VF, and a process of another pod that has the number of its process. */
async function succession(second: Pod) {
  for (let round = 1; ; round += 1) {
    const first = await newPod()
    const dying = await startSleeper(first)
    await add({ ...first, netns: dying.netns }, conf)
    await dying.kill()
    await removePod(first)
    const heir = await startSleeperAs(dying.pid, second)
    if (heir) {
      return { first, dying, heir }
    }
    // Something else of the machine got the number, and keeps it.
    expect(round).toBeLessThan(SUCCESSIONS)
    await del({ ...first, netns: dying.netns }, conf)
  }
}

test('DEL with the path of a process ID that is by now another pod gives the VF back and leaves that pod alone', async () => {
  const second = await newPod()
  const { first, dying, heir } = await succession(second)
  await add({ ...second, netns: heir.netns }, otherConf)
  const before = await link(DEFAULT_IFNAME, second)
  await del({ ...first, netns: dying.netns }, conf)
  expect(await link(DEFAULT_IFNAME, second)).toEqual(before)
  await del({ ...second, netns: heir.netns }, otherConf)
  expect((await linksIn(second)).map(({ ifname }) => ifname)).toEqual(['lo'])
  await heir.kill()
})

describe('DEL finds the VF in a namespace whose path is gone', () => {
  test.each([
    ['the old path', {}],
    ['no path', { env: { CNI_NETNS: '' } }],
  ])('while a process lives in it, called with %s', async (_name, options) => {
    const pod = await newPod()
    const sleeper = await startSleeper(pod)
    await add(pod, conf)
    await removePod(pod)
    await del(pod, conf, options)
    expect(await host.differences()).toEqual([])
    await sleeper.kill()
  })

  test('while it is mounted elsewhere', async () => {
    const pod = await newPod()
    const elsewhere = `/run/elsewhere-${pod.name}`
    await add(pod, conf)
    await shell(`touch ${elsewhere}; mount --bind ${pod.netns} ${elsewhere}`)
    await removePod(pod)
    await del(pod, conf)
    await shell(`umount ${elsewhere}; rm ${elsewhere}`)
  })

  test('while it is mounted in another mount namespace only', async () => {
    const pod = await newPod()
    const elsewhere = `/run/elsewhere-${pod.name}`
    await add(pod, conf)
    const script = `touch ${elsewhere}; mount --bind ${pod.netns} ${elsewhere}; echo; exec sleep 600`
    const holder = start('unshare', ['--mount', '--propagation', 'private', '/bin/sh', '-ec', script])
    await until('it is mounted', async () => readFileSync(`/proc/${holder.pid}/mountinfo`, 'utf8').includes(elsewhere))
    await removePod(pod)
    const answer = await call('DEL', pod, conf)
    holder.killGroup()
    await holder.done
    rmSync(elsewhere)
    // Where it cannot be found, it is an error, and the next DEL goes on.
    await del(pod, conf)
    expect(answer.exitCode === 0 || answer.stdout.includes('VF 1 of ens1f0'), answer.stdout).toBe(true)
    expect(await host.differences()).toEqual([])
  })
})
