import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { add, call, check, DEFAULT_IFNAME, del, hostLocal, netConf, startCall } from '../calls/plugin.js'
import { newPod, type Pod } from '../calls/pods.js'
import { startResident, stopResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { link, settingsOf } from '../host/kernel-view.js'
import { sleep } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { VFS, type Vf, vf } from '../host/virtual-functions.js'

const host = untouchedHost()

afterEach(() => stopResident())

const LOG = '/var/log/resident-test.log'

const confOf = (one: Vf) =>
  netConf(one, { ...ALL_SETTINGS, vlan: 100 + one.index, mac: `02:00:00:00:07:0${one.index}`, ...hostLocal() })

test('ADD, CHECK and DEL with everything are what they are without it', async () => {
  const resident = await startResident()
  const pod = await newPod()
  const conf = { ...confOf(vf(2)), logLevel: 'debug', logFile: LOG }
  const result = await add(pod, conf)
  expect(await settingsOf(vf(2))).toMatchObject({
    address: '02:00:00:00:07:02',
    vlan_list: [{ vlan: 102 }],
    trust: true,
  })
  expect(await link(DEFAULT_IFNAME, pod)).toMatchObject({ address: '02:00:00:00:07:02', mtu: 1400 })
  await check(pod, { ...conf, prevResult: result })
  await del(pod, conf)
  await del(pod, conf)
  expect(await host.differences()).toEqual([])
  expect(readFileSync(LOG, 'utf8')).toContain(`"pid":${resident.pid},`)
  await resident.stop()
})

/** Each pod has its own VF with its settings, whoever carried the call out. */
async function expectAllServed(pods: readonly Pod[]): Promise<void> {
  for (const [i, pod] of pods.entries()) {
    const one = vf(i)
    expect(await link(DEFAULT_IFNAME, pod)).toMatchObject({ parentdev: one.pci, address: `02:00:00:00:07:0${i}` })
    expect(await settingsOf(one)).toMatchObject({ vlan_list: [{ vlan: 100 + i }] })
  }
}

const sevenPods = (): Promise<Pod[]> =>
  VFS.reduce(async (pods, _vf) => [...(await pods), await newPod()], Promise.resolve<Pod[]>([]))

describe('seven ADDs at once, and the resident process is killed in the middle', () => {
  test.each([30, 250, 700])('after %i ms, and started again under load: every ADD is answered', async (afterMs) => {
    const pods = await sevenPods()
    const first = await startResident()
    const adds = pods.map((pod, i) => startCall('ADD', pod, confOf(vf(i))))
    await sleep(afterMs)
    await first.kill()
    const second = await startResident()
    const answers = await Promise.all(adds.map(({ done }) => done))
    expect(answers.map(({ exitCode, stdout }) => (exitCode === 0 ? 0 : stdout))).toEqual(VFS.map(() => 0))
    await expectAllServed(pods)
    const dels = pods.map((pod, i) => startCall('DEL', pod, confOf(vf(i))))
    await sleep(afterMs)
    await second.kill()
    expect((await Promise.all(dels.map(({ done }) => done))).map(({ exitCode }) => exitCode)).toEqual(VFS.map(() => 0))
    expect(await host.differences()).toEqual([])
  })
})

test('with, without and with it again: one state', async () => {
  const pod = await newPod()
  const conf = confOf(vf(3))
  const first = await startResident()
  await add(pod, conf)
  await first.stop()
  expect((await call('ADD', pod, conf)).exitCode).toBe(1)
  await check(pod, conf)
  await startResident()
  await del(pod, conf)
})
