import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { collectGarbage, GC_ENVIRONMENT, gcConf, NO_POD } from '../calls/collecting.js'
import { attachAsGoPlugin, type GoSettings } from '../calls/go-plugin.js'
import { add, call, check, DEFAULT_IFNAME, del, failing, hostLocal, netConf } from '../calls/plugin.js'
import { inPod, newPod, removePod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { link, linksIn, settingsOf } from '../host/kernel-view.js'
import { until } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

const IN_USE = 102
const target = vf(2)
const conf = netConf(target, hostLocal())

const SETTINGS: readonly (readonly [string, GoSettings])[] = [
  ['nothing set', {}],
  ['VLAN and spoof check, version 2.2', { vlan: 100, spoofchk: 'off', isOld: true }],
  ['VLAN, MAC and trust, version 2.8', { vlan: 100, mac: '02:00:00:00:08:01', trust: 'on', spoofchk: 'off' }],
]

async function takenOver(settings: GoSettings) {
  const pod = await newPod()
  const result = await attachAsGoPlugin(pod, target, conf, settings)
  if (settings.vlan !== undefined) {
    expect(await settingsOf(target)).toMatchObject({ vlan_list: [{ vlan: settings.vlan }] })
  }
  return { pod, result }
}

const onHost = () =>
  until('the VF is on the host', async () =>
    (await linksIn(undefined)).some(({ parentdev }) => parentdev === target.pci),
  )

describe.each(SETTINGS)('a pod of the Go sriov-cni: %s', (_name, settings) => {
  test('DEL gives everything back, the lease included', async () => {
    const { pod } = await takenOver(settings)
    await del(pod, conf)
    expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(['lo'])
    expect(await host.differences()).toEqual([])
    await del(pod, conf)
  })

  test('DEL after the pod has died', async () => {
    const { pod } = await takenOver(settings)
    await removePod(pod)
    await onHost()
    await del(pod, conf, { env: { CNI_NETNS: '' } })
    expect(await host.differences()).toEqual([])
  })

  test('GC leaves it while the runtime knows it, and gives it back when not', async () => {
    const { pod } = await takenOver(settings)
    const valid = [{ containerID: pod.containerId, ifname: DEFAULT_IFNAME }]
    const known = gcConf(target, { 'cni.dev/valid-attachments': valid, ...hostLocal() })
    expect((await call('GC', NO_POD, known, { env: GC_ENVIRONMENT })).exitCode).toBe(0)
    expect(await link(DEFAULT_IFNAME, pod)).toMatchObject({ parentdev: target.pci })
    await collectGarbage(target)
    expect(await host.differences()).toEqual([])
  })

  test('CHECK compares it with the result of its ADD', async () => {
    const { pod, result } = await takenOver(settings)
    await check(pod, { ...conf, prevResult: result })
    await inPod(pod, 'ip', 'link', 'set', DEFAULT_IFNAME, 'down')
    expect(await failing('CHECK', pod, { ...conf, prevResult: result })).toMatchObject({ code: 108 })
    await del(pod, conf)
  })
})

describe('a pod of the Go sriov-cni', () => {
  test('keeps its VF: it is not chosen, and refused by name', async () => {
    const { pod } = await takenOver({ vlan: 100 })
    const other = await newPod()
    expect(await failing('ADD', other, conf)).toMatchObject({
      code: IN_USE,
      msg: expect.stringContaining(pod.containerId),
    })
    expect(await failing('ADD', other, { ...conf, deviceID: undefined, master: PF, vf: 2 })).toMatchObject({
      code: IN_USE,
    })
    await del(pod, conf)
  })

  test('that died without a DEL does not keep its VF, nor its VLAN', async () => {
    const { pod } = await takenOver({ vlan: 100 })
    await removePod(pod)
    await onHost()
    const next = await newPod()
    await add(next, conf)
    expect((await settingsOf(target)).vlan_list[0]).not.toHaveProperty('vlan')
    await del(next, conf)
    await del(pod, conf, { env: { CNI_NETNS: '' } })
    expect(existsSync(`${STATE_FOLDER}/${pod.containerId}-${DEFAULT_IFNAME}`)).toBe(false)
  })
})
