import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openConf, pfConf, vfIn } from '../calls/choosing.js'
import { add, type CallOptions, type Conf, del, failing, hostLocal } from '../calls/plugin.js'
import { newPod, type Pod, removePod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { linksIn, settingsOf } from '../host/kernel-view.js'
import { until } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { OTHER_PF, PF, vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

const CHECKPOINT_FOLDER = '/var/lib/kubelet/device-plugins'
const CHECKPOINT = `${CHECKPOINT_FOLDER}/kubelet_internal_checkpoint`
const NO_DEVICE = 101
const IN_USE = 102

const names = (...indexes: number[]): string[] => indexes.map((index) => vf(index).name)

/** Says that the device plugin has these VFs. */
function registerWithKubelet(addresses: readonly string[]): void {
  mkdirSync(CHECKPOINT_FOLDER, { recursive: true })
  const RegisteredDevices = { 'example.com/sriov_vfs': addresses }
  writeFileSync(CHECKPOINT, JSON.stringify({ Data: { PodDeviceEntries: [], RegisteredDevices }, Checksum: 1 }))
}

/** Gives a new pod a VF and says which. */
async function given(conf: Conf, options?: CallOptions): Promise<{ pod: Pod; name: string }> {
  const pod = await newPod()
  await add(pod, conf, options)
  return { pod, name: await vfIn(pod) }
}

describe('a VF of a PF', () => {
  test('is the lowest free one; one that was given back is the next', async () => {
    const all = []
    for (const expected of names(0, 1, 2)) {
      const one = await given(pfConf())
      expect(one.name).toBe(expected)
      all.push(one)
    }
    const [first, second, third] = all.map(({ pod }) => pod) as [Pod, Pod, Pod]
    await del(second, pfConf())
    const again = await given(pfConf())
    expect(again.name).toBe(vf(1).name)
    for (const pod of [first, third, again.pod]) {
      await del(pod, pfConf())
    }
  })

  test('is the one that vf names, and CNI_ARGS VF counts before it', async () => {
    const third = await given(pfConf({ vf: 3 }))
    const second = await given(pfConf({ vf: 3 }), { env: { CNI_ARGS: 'IgnoreUnknown=1;VF=2;VLAN=42' } })
    expect([third.name, second.name]).toEqual(names(3, 2))
    expect(await settingsOf(vf(2))).toMatchObject({ vlan_list: [{ vlan: 42 }] })
    const refusal = await failing('ADD', await newPod(), pfConf({ vf: 3 }))
    expect(refusal).toMatchObject({ code: IN_USE, msg: expect.stringContaining(third.pod.containerId) })
    expect(await failing('ADD', await newPod(), pfConf({ vf: 7 }))).toMatchObject({ code: NO_DEVICE })
    await del(third.pod, pfConf())
    await del(second.pod, pfConf())
  })

  test('is not one that the Go sriov-cni has marked for a live pod', async () => {
    const owner = await newPod()
    await host.prepare(async () => {
      mkdirSync(`${STATE_FOLDER}/pci`, { recursive: true })
      writeFileSync(`${STATE_FOLDER}/pci/${vf(0).pci}`, owner.netns)
    })
    const { pod, name } = await given(pfConf())
    expect(name).toBe(vf(1).name)
    await del(pod, pfConf())
    expect(await failing('ADD', await newPod(), pfConf({ vf: 0 }))).toMatchObject({
      code: IN_USE,
      msg: expect.stringContaining(owner.netns),
    })
  })

  test("is not one of kubelet's device plugin, unless it is named by its address", async () => {
    registerWithKubelet([vf(0).pci, vf(1).pci])
    try {
      const chosen = await given(pfConf())
      const named = await given(openConf({ deviceID: vf(0).pci }))
      expect([chosen.name, named.name]).toEqual(names(2, 0))
      await del(chosen.pod, pfConf())
      await del(named.pod, openConf({ deviceID: vf(0).pci }))
    } finally {
      rmSync(CHECKPOINT)
    }
  })

  test("of kubelet's device plugin is not given by vf", async () => {
    registerWithKubelet([vf(1).pci])
    try {
      expect((await failing('ADD', await newPod(), pfConf({ vf: 1 }))).msg).toContain("kubelet's device plugin")
    } finally {
      rmSync(CHECKPOINT)
    }
  })

  test('is the one of a pod that died without a DEL, and nothing of that pod is on it', async () => {
    const dead = await given(pfConf({ vlan: 100, max_tx_rate: 200, mtu: 1400, ...hostLocal() }))
    await removePod(dead.pod)
    await until('the VF is on the host', async () =>
      (await linksIn(undefined)).some(({ parentdev }) => parentdev === vf(0).pci),
    )
    const { pod, name } = await given(pfConf())
    expect(name).toBe(vf(0).name)
    expect(await settingsOf(vf(0))).toMatchObject({ vlan_list: [{}], rate: { max_tx: 0 } })
    expect((await settingsOf(vf(0))).vlan_list[0]).not.toHaveProperty('vlan')
    expect((await linksIn(pod)).find(({ ifname }) => ifname === 'net1')).toMatchObject({ mtu: 1500 })
    await del(pod, pfConf())
    // The lease of the dead pod went with it.
    expect(await host.differences()).toEqual([])
  })

  test('with another MAC of the same PF is refused, naming the VF that has it', async () => {
    const mac = '02:00:00:00:04:01'
    const first = await given(pfConf({ mac }))
    expect(await failing('ADD', await newPod(), pfConf({ mac }))).toMatchObject({
      code: 7,
      msg: expect.stringMatching(/mac.*VF 0 of ens1f0/),
    })
    const other = await given(openConf({ master: OTHER_PF, mac }))
    await del(first.pod, pfConf())
    await del(other.pod, pfConf())
  })
})

describe('selectors', () => {
  test.each<[Conf, string | undefined]>([
    [{ pfNames: [`${PF}#2-3`] }, vf(2).name],
    [{ pfNames: [`${OTHER_PF}#5,6`] }, `${OTHER_PF}v5`],
    [{ rootDevices: ['0000:02:00.0#3'] }, `${OTHER_PF}v3`],
    [{ pciAddresses: [vf(5).pci] }, vf(5).name],
    [{ vendors: ['8086'], devices: ['10ca'], pfNames: [OTHER_PF] }, `${OTHER_PF}v0`],
    [{ drivers: ['igbvf'], pfNames: [PF] }, vf(0).name],
    [{ linkTypes: ['ether'], pfNames: [PF] }, vf(0).name],
    [{ PFNames: [`${PF}#6`], Drivers: ['igbvf', 'iavf'] }, vf(6).name],
    [{ linkTypes: ['infiniband'] }, undefined],
    [{ drivers: ['iavf'] }, undefined],
    [{ devices: ['154c'] }, undefined],
  ])('%j choose %s', async (selectors, expected) => {
    const conf = openConf({ selectors })
    if (expected === undefined) {
      expect(await failing('ADD', await newPod(), conf)).toMatchObject({
        code: NO_DEVICE,
        msg: expect.stringContaining(JSON.stringify(selectors)),
      })
    } else {
      const { pod, name } = await given(conf)
      expect(name).toBe(expected)
      await del(pod, conf)
    }
  })

  test('that mean both cards take turns', async () => {
    const conf = openConf({ selectors: { drivers: ['igbvf'] } })
    const all = []
    for (let round = 0; round < 4; round += 1) {
      all.push(await given(conf))
    }
    expect(all.map(({ name }) => name)).toEqual([vf(0).name, `${OTHER_PF}v0`, vf(1).name, `${OTHER_PF}v1`])
    for (const { pod } of all) {
      await del(pod, conf)
    }
  })
})
