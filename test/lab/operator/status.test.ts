import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, describe, expect, test } from 'vitest'
import { StatusDocument } from '../../../src/operator/look/status-document.js'
import type { VfState } from '../../../src/sriov/survey/vf-state.js'
import { ctlJson, SRIOVCTL } from '../calls/ctl.js'
import { add, DEFAULT_IFNAME, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod, removePod } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { settingsOf } from '../host/kernel-view.js'
import { ip, run, shell } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { ALL_VFS, OTHER_PF, PF, vf } from '../host/virtual-functions.js'

const host = untouchedHost()
const VF = vf(2)
const CONF = netConf(VF, { ...ALL_SETTINGS, ...hostLocal() })
const KUBELET = '/var/lib/kubelet/device-plugins'

const status = async (): Promise<StatusDocument> => {
  const document = await ctlJson<StatusDocument>('status')
  expect(StatusDocument.safeParse(document).error).toBeUndefined()
  return document
}

const ofVf = async () => (await status()).vfs.find(({ address }) => address === VF.pci)

afterEach(() => rmSync(KUBELET, { recursive: true, force: true }))

describe('status', () => {
  test('has every VF of both cards, free', async () => {
    const { pfs, vfs } = await status()
    expect(pfs.map(({ name, vfs: { configured, total, free } }) => [name, configured, total, free])).toEqual([
      [PF, 7, 7, 7],
      [OTHER_PF, 7, 7, 7],
    ])
    expect(vfs.map(({ address, interface: name }) => [address, name])).toEqual(
      ALL_VFS.map((one) => [one.pci, one.name]),
    )
  })

  test('tells what ip(8) tells of a VF in use, and whose it is', async () => {
    const pod = await newPod()
    await add(pod, CONF, { env: { CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart-0' } })
    const kernel = await settingsOf(VF)
    expect(await ofVf()).toMatchObject({
      state: 'in-use',
      interface: null,
      driver: 'igbvf',
      mac: kernel.address,
      vlan: kernel.vlan_list?.[0]?.vlan,
      spoofchk: kernel.spoofchk,
      trust: kernel.trust,
      maxTxRate: kernel.rate?.max_tx,
      pod: {
        namespace: 'shop',
        name: 'cart-0',
        containerId: pod.containerId,
        ifName: DEFAULT_IFNAME,
        netns: pod.netns,
        since: expect.stringMatching(/^20\d\d-/),
      },
      problem: null,
    })
    const { stdout, exitCode } = await run(SRIOVCTL, ['status', '--brief'])
    expect([exitCode, stdout]).toEqual([0, `14 VFs on ${PF}, ${OTHER_PF}: 1 in use, 13 free; all is well\n`])
    await del(pod, CONF)
  })

  const STATES: readonly (readonly [VfState, string, () => Promise<(() => Promise<unknown>) | undefined>])[] = [
    [
      'reserved',
      'kubelet hands it out',
      async () => {
        mkdirSync(KUBELET, { recursive: true })
        const data = { RegisteredDevices: { 'example.com/vfs': [VF.pci] } }
        writeFileSync(`${KUBELET}/kubelet_internal_checkpoint`, JSON.stringify({ Data: data }))
        return undefined
      },
    ],
    [
      'host',
      'the host has an address on it',
      async () => {
        await ip(`address add 192.0.2.9/24 dev ${VF.name}`)
        return () => ip(`address flush dev ${VF.name}`)
      },
    ],
    [
      'unfinished',
      'its DEL was killed',
      async () => {
        const pod = await newPod()
        await add(pod, CONF)
        await shell(
          `sed -i 's/"phase":"attached"/"phase":"releasing"/' ${STATE_FOLDER}/${pod.containerId}-${DEFAULT_IFNAME}`,
        )
        return () => del(pod, CONF)
      },
    ],
    [
      'leaked',
      'its pod died without a DEL',
      async () => {
        const pod = await newPod()
        await add(pod, CONF)
        await removePod(pod)
        return () => del(pod, CONF)
      },
    ],
    [
      'foreign',
      'somebody moved it into a namespace',
      async () => {
        const away = await newPod()
        await ip(`link set ${VF.name} netns ${away.name}`)
        return () => ip(`-n ${away.name} link set ${VF.name} netns 1`)
      },
    ],
    [
      'foreign',
      'the Go sriov-cni marked it for a live pod',
      async () => {
        const pod = await newPod()
        mkdirSync(`${STATE_FOLDER}/pci`, { recursive: true })
        writeFileSync(`${STATE_FOLDER}/pci/${VF.pci}`, pod.netns)
        return async () => rmSync(`${STATE_FOLDER}/pci/${VF.pci}`)
      },
    ],
    [
      'broken',
      'it has no driver',
      async () => {
        await shell(`echo ${VF.pci} > /sys/bus/pci/devices/${VF.pci}/driver/unbind`)
        return () => shell(`echo ${VF.pci} > /sys/bus/pci/drivers_probe; sleep 1`)
      },
    ],
  ]

  test.each(STATES)('is %s when %s', async (state, _why, plant) => {
    const undo = await plant()
    try {
      const { vfs } = await status()
      expect(vfs.find(({ address }) => address === VF.pci)?.state).toBe(state)
      expect(vfs.filter((one) => one.address !== VF.pci && one.state !== 'free')).toEqual([])
    } finally {
      await undo?.()
      await host.prepare(() => Promise.resolve())
    }
    rmSync(KUBELET, { recursive: true, force: true })
    expect((await ofVf())?.state).toBe('free')
  })
})
