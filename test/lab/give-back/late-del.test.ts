import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { add, DEFAULT_IFNAME, del, hostLocal, netConf } from '../calls/plugin.js'
import { canPing, newPod, removePod } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { link } from '../host/kernel-view.js'
import { ip, start } from '../host/process.js'
import { LEASE_FOLDER, STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const conf = netConf(vf(1), { ...ALL_SETTINGS, ...hostLocal() })

describe('DEL gives the VF back', () => {
  test('once, and succeeds again afterwards', async () => {
    const pod = await newPod()
    await add(pod, conf)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
    await del(pod, conf)
  })

  test('and succeeds for a container nobody ever added', async () => {
    await del(await newPod(), conf)
  })

  test.each([
    ['the path of it', false],
    ['no path', true],
  ])('after its namespace was deleted, called with %s', async (_name, isUnset) => {
    const pod = await newPod()
    await add(pod, conf)
    await removePod(pod)
    await del(pod, conf, isUnset ? { env: { CNI_NETNS: '' } } : {})
    expect(await host.differences()).toEqual([])
  })

  test('without CNI_NETNS while the namespace still stands', async () => {
    const pod = await newPod()
    await add(pod, conf)
    await del(pod, conf, { env: { CNI_NETNS: '' } })
    expect(await host.differences()).toEqual([])
  })

  test('after its namespace died while the host had an interface of the name of the pod', async () => {
    await host.prepare(() => ip(`link property add dev ens2f0v0 altname ${DEFAULT_IFNAME}`))
    const pod = await newPod()
    await add(pod, conf)
    await removePod(pod)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test('after the path of its namespace became a plain file', async () => {
    const pod = await newPod()
    await add(pod, conf)
    await removePod(pod)
    writeFileSync(pod.netns, '')
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
    await ip(`netns del ${pod.name}`)
  })

  test('after the path of its namespace became another namespace', async () => {
    const pod = await newPod()
    await add(pod, conf)
    await removePod(pod)
    await ip(`netns add ${pod.name}`)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test('after the interface was renamed and changed in the pod', async () => {
    const pod = await newPod()
    await add(pod, conf)
    await ip(`-n ${pod.name} link set ${DEFAULT_IFNAME} down`)
    await ip(`-n ${pod.name} link set ${DEFAULT_IFNAME} name data0 mtu 1300 address 02:00:00:00:09:01 up`)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test('after somebody moved it to the host under the name it had in the pod', async () => {
    const pod = await newPod()
    await add(pod, conf)
    await ip(`-n ${pod.name} link set ${DEFAULT_IFNAME} netns 1`)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test('while a process of the pod still runs', async () => {
    const pod = await newPod()
    await add(pod, conf)
    const sleeper = start('ip', ['netns', 'exec', pod.name, 'sleep', '60'])
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
    sleeper.killGroup()
    await sleeper.done
  })

  test('while a process of the pod keeps a namespace that has no path any more', async () => {
    const pod = await newPod()
    const sleeper = start('ip', ['netns', 'exec', pod.name, 'sleep', '60'])
    await add(pod, conf)
    await removePod(pod)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
    sleeper.killGroup()
    await sleeper.done
  })
})

describe('DEL without a usable record', () => {
  test.each([
    ['is cut off', (text: string) => text.slice(0, 40)],
    ['is empty', () => ''],
  ])('gives the VF back by its claim, when the record %s', async (_name, damage) => {
    const pod = await newPod()
    await add(pod, conf)
    const path = `${STATE_FOLDER}/${pod.containerId}-${DEFAULT_IFNAME}`
    writeFileSync(path, damage(readFileSync(path, 'utf8')))
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test('nor a claim frees the lease, and keeps the record for a person', async () => {
    const pod = await newPod()
    const simple = netConf(vf(1), hostLocal())
    await add(pod, simple)
    const name = `${pod.containerId}-${DEFAULT_IFNAME}`
    const intact = readFileSync(`${STATE_FOLDER}/${name}`, 'utf8')
    writeFileSync(`${STATE_FOLDER}/${name}`, intact.slice(0, 40))
    rmSync(`${STATE_FOLDER}/.vf-${vf(1).pci}`)
    await del(pod, simple)
    expect((await host.differences()).filter((line) => line.includes(LEASE_FOLDER))).toEqual([])
    // A person mends the record; then everything is given back.
    rmSync(`${STATE_FOLDER}/.unreadable-${name}`)
    writeFileSync(`${STATE_FOLDER}/${name}`, intact)
    await del(pod, simple)
    expect(await host.differences()).toEqual([])
  })
})

test('a late DEL leaves a pod alone that has the VF by now', async () => {
  const [first, second, peer] = [await newPod(), await newPod(), await newPod()]
  const at = (index: number, address: string) =>
    netConf(vf(index), { vlan: 100, ipam: { type: 'static', addresses: [{ address }] } })
  await add(first, at(1, '10.9.8.1/24'))
  await removePod(first)
  await add(second, at(1, '10.9.8.2/24'))
  await add(peer, at(2, '10.9.8.3/24'))
  expect(await canPing(second, '10.9.8.3')).toBe(true)
  const before = await link(DEFAULT_IFNAME, second)
  await del(first, at(1, '10.9.8.1/24'))
  expect(await link(DEFAULT_IFNAME, second)).toEqual(before)
  expect(await canPing(second, '10.9.8.3')).toBe(true)
  await del(second, at(1, '10.9.8.2/24'))
  await del(peer, at(2, '10.9.8.3/24'))
})
