import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { openConf, vfIn } from '../calls/choosing.js'
import { example } from '../calls/examples.js'
import { add, type Conf, call, check, del, hostLocal } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { cidrsIn, link, routesIn, settingsOf } from '../host/kernel-view.js'
import { LEASE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { OTHER_PF, PF, vf } from '../host/virtual-functions.js'

const host = untouchedHost()

/** CNI_ARGS as rkt and kubelet gave them to hustcat/sriov-cni. */
const withArgs = (CNI_ARGS: string) => ({ env: { CNI_ARGS } })

describe('hustcat/sriov-cni', () => {
  test('master, with VF, MAC and VLAN in CNI_ARGS', async () => {
    const pod = await newPod()
    const conf = { name: 'mynet', type: 'sriov', master: PF, ...hostLocal('10.55.206.0/26') }
    const args = withArgs('IgnoreUnknown=1;VF=1;MAC=66:d8:02:77:aa:aa;VLAN=10')
    const result = await add(pod, conf, { ifName: 'eth0', ...args })
    expect(result).toMatchObject({ ip4: { ip: '10.55.206.2/26' } })
    expect(await vfIn(pod, 'eth0')).toBe(vf(1).name)
    expect(await link('eth0', pod)).toMatchObject({ address: '66:d8:02:77:aa:aa' })
    expect(await settingsOf(vf(1))).toMatchObject({ address: '66:d8:02:77:aa:aa', vlan_list: [{ vlan: 10 }] })
    await del(pod, conf, { ifName: 'eth0', ...args })
  })
})

describe('intel/sriov-cni 0.x', () => {
  test('if0 with if0name: the interface in the pod has that name, whatever CNI_IFNAME says', async () => {
    const pod = await newPod()
    const conf = example('30-intel-0.x.conf')
    const result = await add(pod, conf)
    expect(result).toMatchObject({ ip4: { ip: '18.1.0.70/24' } })
    expect(await vfIn(pod, 'net0-4s0f1')).toBe(vf(1).name)
    expect(await cidrsIn(pod, 'net0-4s0f1')).toEqual(['18.1.0.70/24'])
    expect(await routesIn(pod)).toEqual(['default via 18.1.0.1'])
    expect(await settingsOf(vf(1))).toMatchObject({ vlan_list: [{ vlan: 100 }] })
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test('two networks in one pod', async () => {
    const pod = await newPod()
    const first = openConf({ if0: PF, vf: 1, if0name: 'net0-4s0f1', vlan: 100, ...hostLocal() })
    const second = openConf({ name: 'lab2', master: OTHER_PF, if0name: 'net1-4s0f2', ...hostLocal('10.10.0.0/24') })
    const result = await add(pod, first, { ifName: 'net0' })
    await add(pod, second, { ifName: 'net1' })
    expect([await vfIn(pod, 'net0-4s0f1'), await vfIn(pod, 'net1-4s0f2')]).toEqual([vf(1).name, `${OTHER_PF}v0`])
    await check(pod, { ...first, prevResult: result }, { ifName: 'net0' })
    await del(pod, second, { ifName: 'net1' })
    expect(await vfIn(pod, 'net0-4s0f1')).toBe(vf(1).name)
    await del(pod, first, { ifName: 'net0' })
  })

  test('l2enable: no IPAM, whatever ipam says', async () => {
    const pod = await newPod()
    const conf = openConf({ if0: PF, if0name: 'net0', l2enable: true, ...hostLocal() })
    const result = await add(pod, conf)
    expect(result.ips ?? []).toEqual([])
    expect(await cidrsIn(pod, 'net0')).toEqual([])
    await del(pod, conf)
  })
})

describe('Multus 1', () => {
  const conf: Conf = { type: 'sriov', masterplugin: true, if0: PF, vlan: 77 }

  test('calls without name and version', async () => {
    const pod = await newPod()
    const output = await call('ADD', pod, conf, { ifName: 'net0' })
    expect([output.exitCode, JSON.parse(output.stdout)]).toEqual([0, { cniVersion: '0.1.0' }])
    expect(await vfIn(pod, 'net0')).toBe(vf(0).name)
    await del(pod, conf, { ifName: 'net0' })
  })

  test('an IPAM plugin of today wants a name, and gets the same one by ADD and DEL', async () => {
    const pod = await newPod()
    const withIpam = { ...conf, ...hostLocal() }
    expect(await add(pod, withIpam, { ifName: 'net0' })).toMatchObject({ ip4: { ip: '10.9.0.2/24' } })
    expect(existsSync(`${LEASE_FOLDER}/sriov/10.9.0.2`)).toBe(true)
    await del(pod, withIpam, { ifName: 'net0' })
    expect(await host.differences()).toEqual([])
  })
})
