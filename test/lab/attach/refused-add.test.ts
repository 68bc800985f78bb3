import { expect, test } from 'vitest'
import { add, del, failing, hostLocal, netConf } from '../calls/plugin.js'
import { canPing, newPod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { link, linksIn } from '../host/kernel-view.js'
import { ip } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF_PCI, vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

test('ADD refuses an interface name that the pod has already, and leaves that interface alone', async () => {
  const pod = await newPod()
  await ip(`-n ${pod.name} link add net1 type veth peer name net1peer`)
  await ip(`-n ${pod.name} addr add 10.77.0.1/24 dev net1`)
  await ip(`-n ${pod.name} link set net1 up`)
  const before = await link('net1', pod)
  const { msg } = await failing('ADD', pod, netConf(vf(0), hostLocal()))
  expect(msg).toMatch(/net1 already exists/)
  expect(await link('net1', pod)).toEqual(before)
  expect(await canPing(pod, '10.77.0.1')).toBe(true)
  expect(await host.differences()).toEqual([])
})

test('ADD refuses an interface name that is an alternative name in the pod', async () => {
  const pod = await newPod()
  await ip(`-n ${pod.name} link add veth0 type veth peer name veth1`)
  await ip(`-n ${pod.name} link property add dev veth0 altname net1`)
  const { msg } = await failing('ADD', pod, netConf(vf(0)))
  expect(msg).toMatch(/net1 already exists/)
})

test('ADD refuses a VF that another pod uses, naming the holder, and that pod keeps it', async () => {
  const [holder, other] = [await newPod(), await newPod()]
  const conf = netConf(vf(0), { vlan: 100, ...hostLocal() })
  await add(holder, conf)
  const { msg } = await failing('ADD', other, netConf(vf(0), { vlan: 200, ...hostLocal('10.8.0.0/24') }))
  expect(msg).toContain(holder.containerId)
  expect(msg).toContain('VF 0 of ens1f0')
  expect(await link('net1', holder)).toMatchObject({ parentdev: vf(0).pci })
  // A runtime follows a failed ADD with DEL.
  await del(other, conf)
  expect(await link('net1', holder)).toMatchObject({ parentdev: vf(0).pci })
  await del(holder, conf)
})

test('a second ADD of the same container and interface fails and changes nothing', async () => {
  const pod = await newPod()
  const conf = netConf(vf(0), { vlan: 100, ...hostLocal() })
  await add(pod, conf)
  const before = await linksIn(pod)
  expect((await failing('ADD', pod, netConf(vf(1), hostLocal()))).msg).toContain('already has VF 0 of ens1f0')
  expect((await failing('ADD', pod, conf)).msg).toContain('already has VF 0 of ens1f0')
  expect((await linksIn(pod)).map(({ address, mtu }) => [address, mtu])).toEqual(
    before.map(({ address, mtu }) => [address, mtu]),
  )
  await del(pod, conf)
})

test('ADD says that a PCI device does not exist', async () => {
  const { msg } = await failing('ADD', await newPod(), { ...netConf(vf(0)), deviceID: '0000:99:10.0' })
  expect(msg).toMatch(/no PCI device 0000:99:10\.0/)
})

test('ADD says that a device is a PF', async () => {
  const { msg } = await failing('ADD', await newPod(), { ...netConf(vf(0)), deviceID: PF_PCI })
  expect(msg).toMatch(/0000:01:00\.0 is a PF/)
})

test('ADD says that a device is no VF', async () => {
  const { msg } = await failing('ADD', await newPod(), { ...netConf(vf(0)), deviceID: '0000:00:1f.2' })
  expect(msg).toMatch(/0000:00:1f\.2 is no network device \(its PCI class is 0x010601\)/)
})

test('ADD names an IPAM plugin that is in no folder of CNI_PATH, before any change', async () => {
  const pod = await newPod()
  const { msg } = await failing('ADD', pod, netConf(vf(0), { vlan: 100, ipam: { type: 'no-such-ipam' } }))
  expect(msg).toMatch(/no-such-ipam.*\/opt\/cni\/bin/)
  expect(await host.differences()).toEqual([])
})

test('ADD passes on the refusal of an IPAM plugin and undoes the VF', async () => {
  const pod = await newPod()
  const conf = netConf(vf(0), { vlan: 100, mac: '02:00:00:00:00:21', ipam: { type: 'host-local', subnet: 'nonsense' } })
  const { msg } = await failing('ADD', pod, conf)
  expect(msg).toMatch(/host-local.*nonsense/)
  expect(await host.differences()).toEqual([])
  expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(['lo'])
})

test('a pod whose IPAM plugin refuses ADD and DEL does not keep the next pod from the VF', async () => {
  const broken = { ipam: { type: 'host-local', subnet: 'nonsense' } }
  const [refused, next] = [await newPod(), await newPod()]
  await failing('ADD', refused, netConf(vf(0), broken))
  const conf = netConf(vf(0), hostLocal())
  await add(next, conf)
  await del(next, conf)
})

test('ADD whose routes the kernel refuses undoes the VF and the lease', async () => {
  const routes = [{ dst: '10.55.0.0/24', gw: '10.66.0.1' }]
  const conf = netConf(vf(0), { vlan: 100, ipam: { type: 'host-local', subnet: '10.9.0.0/24', routes } })
  const { msg } = await failing('ADD', await newPod(), conf)
  expect(msg).toMatch(/10\.55\.0\.0\/24/)
  expect(await host.differences()).toEqual([])
})
