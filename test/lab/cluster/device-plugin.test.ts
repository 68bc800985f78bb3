import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, expect, onTestFinished, test } from 'vitest'
import { ctlJson } from '../calls/ctl.js'
import { add, check, del, failing, netConf, startCall } from '../calls/plugin.js'
import { newPod, removePod } from '../calls/pods.js'
import { bindByHand } from '../host/drivers.js'
import { linksIn } from '../host/kernel-view.js'
import { ip, must, run, start, until } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { OTHER_PF, PF, VFS, type Vf, vf } from '../host/virtual-functions.js'
import { asGranted, startDevicePlugin, stopDevicePlugin } from './device-plugin.js'

const host = untouchedHost()
// Before the host is compared: hooks run in reverse order.
afterEach(stopDevicePlugin)

const RESOURCE = 'intel.com/vfs'
const POOL = { resourceName: 'vfs', selectors: [{ pfNames: [PF] }] }

const cniArgs = (uid: string) => ({
  env: { CNI_ARGS: `K8S_POD_NAMESPACE=shop;K8S_POD_NAME=${uid};K8S_POD_UID=${uid}` },
})
const vfAt = (pci: string | undefined): Vf => VFS.find((one) => one.pci === pci) as Vf
const stateOf = async (pci: string) =>
  (await ctlJson<{ vfs: { address: string; state: string; promise: unknown }[] }>('status')).vfs.find(
    ({ address }) => address === pci,
  )

test('a pool of seven: Allocate, ADD with that device, DEL, and it is free', async () => {
  const { kubelet, sees, restart } = await startDevicePlugin([POOL])
  await sees(RESOURCE, 7, 7)
  const { devices, response } = await kubelet.admit('uid-a', RESOURCE, 2)
  expect(devices).toEqual([vf(0).pci, vf(1).pci])
  expect(response.envs.PCIDEVICE_INTEL_COM_VFS).toBe(devices.join(','))
  expect(await stateOf(vf(0).pci)).toMatchObject({ state: 'reserved', promise: { resource: RESOURCE } })

  const pod = await newPod()
  const other = await newPod()
  const conf = netConf(vf(0), { vlan: 100 })
  expect(await failing('ADD', other, conf, cniArgs('uid-b'))).toMatchObject({
    code: 7,
    msg: expect.stringContaining('kubelet has given it to another pod'),
  })
  await add(pod, conf, cniArgs('uid-a'))
  await check(pod, { ...conf, prevResult: undefined }).catch(() => undefined)
  expect(await stateOf(vf(0).pci)).toMatchObject({ state: 'in-use', promise: { resource: RESOURCE } })
  await sees(RESOURCE, 7, 7)
  await restart('SIGKILL')
  await sees(RESOURCE, 7, 7)
  expect((await linksIn(pod)).map(({ ifname }) => ifname)).toContain('net1')
  await del(pod, conf, cniArgs('uid-a'))
  kubelet.end('uid-a')
  // Not before the second one has told kubelet of its devices.
  await sees(RESOURCE, 7, 7)
  // A choice leaves the whole pool alone.
  expect(await failing('ADD', pod, { ...netConf(vf(0)), deviceID: undefined, master: PF })).toMatchObject({
    code: 11,
    msg: expect.stringContaining("kubelet's device plugin"),
  })
  await stopDevicePlugin()
  expect(await host.differences()).toEqual([])
})

test('kubelet hears of what happens to VFs soon after the kernel says it', async () => {
  const { kubelet, sees } = await startDevicePlugin([
    POOL,
    { resourceName: 'other', selectors: [{ pfNames: [OTHER_PF] }] },
  ])
  await sees(RESOURCE, 7, 7)
  writeFileSync('/sys/bus/pci/drivers/igbvf/unbind', vf(3).pci)
  const unbound = await sees(RESOURCE, 6, 7)
  await bindByHand(vf(3), 'igbvf')
  const bound = await sees(RESOURCE, 7, 7)
  await ip(`addr add 10.7.7.7/24 dev ${vf(2).name}`)
  await sees(RESOURCE, 6, 7)
  await ip(`addr del 10.7.7.7/24 dev ${vf(2).name}`)
  await sees(RESOURCE, 7, 7)
  console.log(`unbind seen after ${Math.round(unbound)} ms, bind after ${Math.round(bound)} ms`)
  expect(kubelet.healthy('intel.com/other')).toHaveLength(7)
  // Its driver has given VF 3 another MAC.
  await host.prepare(async () => undefined)
})

test('a PF that gets another number of VFs, and a configuration that changes, without a restart', async () => {
  const { kubelet, sees, configure } = await startDevicePlugin([
    { resourceName: 'other', selectors: [{ pfNames: [OTHER_PF] }] },
  ])
  await sees('intel.com/other', 7, 7)
  await host.prepare(async () => {
    const numvfs = `/sys/class/net/${OTHER_PF}/device/sriov_numvfs`
    writeFileSync(numvfs, '0')
    await sees('intel.com/other', 0, 0)
    writeFileSync(numvfs, '7')
    await sees('intel.com/other', 7, 7)
  })
  configure([{ resourceName: 'some', selectors: [{ pfNames: [`${PF}#0-2`] }] }])
  await sees('intel.com/some', 3, 3)
  expect(kubelet.devices('intel.com/other')).toBeUndefined()
})

test('a device that is still given back is not handed out until it is home', async () => {
  const { kubelet, sees } = await startDevicePlugin([POOL])
  await sees(RESOURCE, 7, 7)
  const { devices } = await kubelet.admit('uid-a', RESOURCE, 7)
  const pod = await newPod()
  const own = netConf(vfAt(devices[6]))
  await add(pod, own, cniArgs('uid-a'))
  const going = startCall('DEL', pod, own, cniArgs('uid-a'))
  kubelet.end('uid-a')
  const next = await kubelet.admit('uid-b', RESOURCE, 7)
  expect(next.devices).toHaveLength(7)
  expect((await going.done).exitCode).toBe(0)
  expect(await stateOf(vfAt(devices[6]).pci)).toMatchObject({ state: 'reserved' })
})

test('a DEL that was killed leaves its VF unhealthy; the next one mends it', async () => {
  const { kubelet, sees } = await startDevicePlugin([POOL])
  await sees(RESOURCE, 7, 7)
  await kubelet.admit('uid-a', RESOURCE, 1)
  const pod = await newPod()
  const conf = netConf(vf(0), { vlan: 100 })
  await add(pod, conf, cniArgs('uid-a'))
  const record = `/var/lib/cni/sriov/${pod.containerId}-net1`
  const going = startCall('DEL', pod, conf, cniArgs('uid-a'))
  await until('it has begun', async () => existsSync(record) && readFileSync(record, 'utf8').includes('"releasing"'))
  going.killGroup()
  await going.done
  if (existsSync(record)) {
    await sees(RESOURCE, 6, 7)
  }
  await del(pod, conf, cniArgs('uid-a'))
  await sees(RESOURCE, 7, 7)
})

test('kubelet that starts again, and a pod that died without a DEL', async () => {
  const { kubelet, sees } = await startDevicePlugin([POOL])
  await sees(RESOURCE, 7, 7)
  await kubelet.admit('uid-a', RESOURCE, 1)
  const pod = await newPod()
  const conf = netConf(vf(0))
  await add(pod, conf, cniArgs('uid-a'))
  await kubelet.restart()
  await sees(RESOURCE, 7, 7)
  await removePod(pod)
  await until('it is home', async () => (await linksIn(undefined)).some(({ parentdev }) => parentdev === vf(0).pci))
  kubelet.end('uid-a')
  // What a dead pod has left comes last, as soon as it is seen.
  await until('it is the last choice', async () => (await kubelet.preferred(RESOURCE, 7)).at(-1) === vf(0).pci)
  await kubelet.admit('uid-b', RESOURCE, 7)
  const next = await newPod()
  await add(next, conf, cniArgs('uid-b'))
  await del(next, conf, cniArgs('uid-b'))
  await del(pod, conf, cniArgs('uid-a'))
})

test('two pods share an RDMA device, each with only what Allocate gave it', async () => {
  await must('modprobe', 'rdma_rxe')
  onTestFinished(async () => {
    await run('rdma', ['link', 'delete', 'rxe0'])
  })
  const { kubelet, sees } = await startDevicePlugin([POOL], {
    rdma: [{ resourceName: 'hca', rdmaHcaMax: 1000, selectors: { ifNames: [PF] } }],
  })
  await sees('rdma/hca', 0, 0)
  await must('rdma', 'link', 'add', 'rxe0', 'type', 'rxe', 'netdev', PF)
  await sees('rdma/hca', 1000, 1000)
  const [server, client] = await Promise.all(['uid-a', 'uid-b'].map((pod) => kubelet.admit(pod, 'rdma/hca', 1)))
  if (!server || !client) {
    throw new Error('two pods were admitted')
  }
  expect(server.response.devices.map(({ hostPath }) => hostPath)).toContain('/dev/infiniband/uverbs0')
  expect(client.response).toEqual(server.response)
  const bandwidth = ['stdbuf', '-oL', 'ib_send_bw', '-d', 'rxe0', '-n', '200', '-s', '1024', '-F']
  const [command = '', ...words] = [...asGranted(server.response), ...bandwidth]
  const listening = start(command, words)
  onTestFinished(() => listening.killGroup())
  await until('the server listens', async () => {
    const { stdout, stderr } = listening.printed()
    if (stderr !== '') {
      throw new Error(stderr + stdout)
    }
    return /Waiting for client/.test(stdout)
  })
  const [other = '', ...more] = [...asGranted(client.response), ...bandwidth, '127.0.0.1']
  const measured = await run(other, more)
  expect(measured.exitCode, `${measured.stdout}${measured.stderr}`).toBe(0)
  expect((await listening.done).exitCode).toBe(0)
  // Bytes, iterations, peak, average.
  expect(measured.stdout).toMatch(/^ *1024 +200 +\d/m)
  const without = await run(
    other,
    more.map((word) => word.replace(/^mknod .*infiniband.*$/gm, '')),
  )
  expect(without.exitCode).not.toBe(0)
})
