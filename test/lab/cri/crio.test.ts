/**
 * CRI-O is in no suite of Debian. Its calls are made by hand here, as github.com/cri-o/ocicni (SetUpPod, GetPodNetworkStatus,
 * TearDownPod, GC) and server/sandbox_network.go of CRI-O make them.
 */
import { expect, test } from 'vitest'
import { collectGarbage, GC_ENVIRONMENT, gcConf, NO_POD } from '../calls/collecting.js'
import { add, type CallOptions, type Conf, call, check, del, failing, netConf } from '../calls/plugin.js'
import { newPod, type Pod, removePod } from '../calls/pods.js'
import { linksIn } from '../host/kernel-view.js'
import { ip } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const VF = vf(0)
/** GC is of CNI 1.1, which bookworm's IPAM plugins do not speak. */
const CONF = netConf(VF, { cniVersion: '1.1.0', vlan: 100 })

/** With the UID and the annotations of the pod; the capability is asked for by the configuration. */
const CONF_WITH_ANNOTATIONS: Conf = {
  ...CONF,
  capabilities: { 'io.kubernetes.cri.pod-annotations': true, cgroupPath: true },
  runtimeConfig: { 'io.kubernetes.cri.pod-annotations': { 'lab/note': 'yes' }, cgroupPath: '/kubepods.slice' },
}

const optionsOf = ({ containerId }: Pod): CallOptions => ({
  ifName: 'eth0',
  env: {
    CNI_ARGS: `IgnoreUnknown=1;K8S_POD_NAMESPACE=lab;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID=${containerId};K8S_POD_UID=uid-web`,
  },
})

/** ADD, and CHECK at once: a pod whose CHECK fails does not start. */
async function setUp(pod: Pod, conf = CONF_WITH_ANNOTATIONS): Promise<Conf> {
  const prevResult = await add(pod, conf, optionsOf(pod))
  await check(pod, { ...conf, prevResult }, optionsOf(pod))
  return { ...conf, prevResult }
}

test('a pod is set up, and CHECKed at once', async () => {
  const pod = await newPod()
  await del(pod, await setUp(pod), optionsOf(pod))
})

test('a CHECK that fails after the ADD: DEL gives the VF back', async () => {
  const pod = await newPod()
  const conf = await setUp(pod)
  await ip(`-n ${pod.name} link set eth0 down`)
  await failing('CHECK', pod, conf, optionsOf(pod))
  await del(pod, conf, optionsOf(pod))
})

test('the namespace is gone, and DEL names it all the same', async () => {
  const pod = await newPod()
  const conf = await setUp(pod)
  await removePod(pod)
  await del(pod, conf, optionsOf(pod))
})

test('GC with a list of null, for a network that is not its default: only what is dead goes back', async () => {
  const [alive, dead] = [await newPod(), await newPod()]
  const other = { ...CONF, deviceID: vf(1).pci }
  const conf = await setUp(alive)
  await setUp(dead, other)
  await removePod(dead)
  // CRI-O counts every pod to its default network. What Multus attached to another one of net.d is in no list.
  const list = gcConf(VF, { 'cni.dev/valid-attachments': null })
  expect((await call('GC', NO_POD, list, { env: GC_ENVIRONMENT })).exitCode).toBe(0)
  expect((await linksIn(alive)).map(({ ifname }) => ifname)).toContain('eth0')
  expect((await linksIn(undefined)).map(({ ifname }) => ifname)).toContain(vf(1).name)
  await del(alive, conf, optionsOf(alive))
  expect(await host.differences()).toEqual([])
})

test('GC when it starts, after a DEL that failed for good and whose namespace it removed', async () => {
  const pod = await newPod()
  await setUp(pod)
  await removePod(pod)
  await collectGarbage(VF)
})
