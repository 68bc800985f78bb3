import { afterEach, expect, test } from 'vitest'
import { openConf } from '../calls/choosing.js'
import { example } from '../calls/examples.js'
import { add, check, DEFAULT_IFNAME, del, failing } from '../calls/plugin.js'
import { inPod, newPod, removePod, removePods } from '../calls/pods.js'
import { cidrsIn, link, linksIn, routesIn } from '../host/kernel-view.js'
import { ip, until } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { OTHER_PF } from '../host/virtual-functions.js'

const PF_ADDRESS = '0000:02:00.0'
const IN_USE = 102

const host = untouchedHost()

const isPfOnHost = async () => (await linksIn(undefined)).some(({ parentdev }) => parentdev === PF_ADDRESS)

// Runs before the comparison, which cannot put a PF in order that a test has left elsewhere.
afterEach(async () => {
  if ((await linksIn(undefined)).some(({ parentdev, ifname }) => parentdev === PF_ADDRESS && ifname === OTHER_PF)) {
    return
  }
  await removePods()
  await until('the PF is on the host', isPfOnHost)
  const found = (await linksIn(undefined)).find(({ parentdev }) => parentdev === PF_ADDRESS)
  await ip(`link set dev ${found?.ifname} down`)
  await ip(`link set dev ${found?.ifname} name ${OTHER_PF} up`)
  throw new Error(`the PF was not given back: it is ${found?.ifname}`)
})

const conf = example('20-opnfv-pf.conflist')

test('pfOnly gives the PF itself with address, route and gateway, and takes it back as it was', async () => {
  const pod = await newPod()
  const result = await add(pod, conf)
  expect(result.ips).toMatchObject([{ address: '192.168.123.2/24', gateway: '192.168.123.1' }])
  expect(await link(DEFAULT_IFNAME, pod)).toMatchObject({ parentdev: PF_ADDRESS, vfinfo_list: expect.any(Array) })
  expect((await link(DEFAULT_IFNAME, pod)).flags).toContain('UP')
  expect(await cidrsIn(pod, DEFAULT_IFNAME)).toEqual(['192.168.123.2/24'])
  expect(await routesIn(pod)).toEqual(['default via 192.168.123.1'])
  // Its VFs stay.
  const onHost = (await linksIn(undefined)).map(({ ifname }) => ifname)
  expect(onHost).not.toContain(OTHER_PF)
  expect(onHost.filter((name) => name.startsWith(`${OTHER_PF}v`))).toHaveLength(7)
  await check(pod, { ...conf, prevResult: result })
  await inPod(pod, 'ip', 'link', 'set', DEFAULT_IFNAME, 'down')
  expect(await failing('CHECK', pod, { ...conf, prevResult: result })).toMatchObject({ code: 108 })
  await del(pod, conf)
  expect(await host.differences()).toEqual([])
})

test('a second pod for the same PF is refused; a VF of it, too', async () => {
  const pod = await newPod()
  await add(pod, conf)
  const again = await failing('ADD', await newPod(), conf)
  expect(again.msg).toContain(OTHER_PF)
  const vf = await failing('ADD', await newPod(), openConf({ deviceID: '0000:02:10.0' }))
  expect(vf.msg).toContain(PF_ADDRESS)
  await del(pod, conf)
})

test('the PF is refused while a pod has a VF of it, and given afterwards', async () => {
  const [pod, other] = [await newPod(), await newPod()]
  const vfConf = openConf({ master: OTHER_PF, vf: 4, vlan: 100 })
  await add(pod, vfConf)
  expect(await failing('ADD', other, conf)).toMatchObject({
    code: IN_USE,
    msg: expect.stringContaining(pod.containerId),
  })
  await del(pod, vfConf)
  await add(other, conf)
  await del(other, conf)
})

test('the PF of a pod that died is back on the host, and a DEL without CNI_NETNS puts it right', async () => {
  const pod = await newPod()
  await add(pod, conf)
  await removePod(pod)
  await until('the PF is on the host', isPfOnHost)
  await del(pod, conf, { env: { CNI_NETNS: '' } })
  expect(await host.differences()).toEqual([])
})

test('a setting that only a VF has is refused', async () => {
  expect(await failing('ADD', await newPod(), { ...conf, vlan: 100 })).toMatchObject({
    code: 7,
    msg: expect.stringContaining('vlan'),
  })
})
