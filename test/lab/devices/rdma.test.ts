/**
 * RDMA netlink against the kernel. The lab's card has no RDMA, and what software makes of an interface (rdma_rxe) is no
 * device of a VF: codec, mode and refusals are shown here, the way of a device into a pod in test/unit/attach/rdma.test.ts.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { loadAddon } from '../../../src/host/addon.js'
import { realClock } from '../../../src/host/clock.js'
import { realFiles } from '../../../src/host/files/real-files.js'
import { realKernel } from '../../../src/host/kernel.js'
import type { Log } from '../../../src/host/ports.js'
import { isRdmaExclusive } from '../../../src/node/rdma-mode.js'
import { changeRdma, openRdma, rdmaDevicesOf } from '../../../src/rtnl/rdma.js'
import { add, BIN_DIR, del, failing, netConf } from '../calls/plugin.js'
import { newPod, removePods } from '../calls/pods.js'
import { must, shell } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'

untouchedHost()

const quiet = () => undefined
const log: Log = { error: quiet, warning: quiet, info: quiet, debug: quiet }
const addon = loadAddon(`${BIN_DIR}/.sriov/current`)
const files = realFiles(addon)
const host = { kernel: realKernel(addon), clock: realClock, log }

const shown = async (): Promise<{ ifindex: number; ifname: string }[]> => JSON.parse(await must('rdma', '-j', 'dev'))

beforeAll(() => shell(`modprobe rdma_rxe; rdma link add rxe0 type rxe netdev ${PF}`))
afterAll(async () => {
  await removePods()
  await shell('rdma system set netns shared; rdma link del rxe0')
})
beforeEach(removePods)

test('the devices are those that rdma(8) shows, and get another name', async () => {
  using rdma = openRdma(host)
  const [device] = await rdmaDevicesOf(rdma)
  expect([{ ifindex: device?.index, ifname: device?.name }]).toMatchObject(
    (await shown()).map(({ ifindex, ifname }) => ({ ifindex, ifname })),
  )
  await changeRdma(rdma, device?.index ?? -1, { name: 'rxe7' }, { operation: 'rename it', target: 'rxe0' })
  expect(await shown()).toMatchObject([{ ifname: 'rxe7' }])
  await changeRdma(rdma, device?.index ?? -1, { name: 'rxe0' }, { operation: 'rename it', target: 'rxe7' })
})

test('the mode is what the administrator says, and a driver that does not move its device is told', async () => {
  using rdma = openRdma(host)
  expect(isRdmaExclusive(files)).toBe(false)
  await shell('rdma system set netns exclusive')
  expect(isRdmaExclusive(files)).toBe(true)
  const pod = await newPod()
  using netns = host.kernel.openNetns(pod.netns)
  using inPod = openRdma(host, netns)
  expect(await rdmaDevicesOf(inPod)).toEqual([])
  const [device] = await rdmaDevicesOf(rdma)
  const about = { operation: `move it into ${pod.netns}`, target: 'rxe0' }
  const moved = await changeRdma(rdma, device?.index ?? -1, { netnsFd: netns.fd }, about).then(
    () => 'moved',
    (error: Error) => error.message,
  )
  if (moved === 'moved') {
    expect(await rdmaDevicesOf(inPod)).toEqual([device])
    const back = { operation: 'move it back', target: 'rxe0' }
    await changeRdma(inPod, device?.index ?? -1, { netnsFd: host.kernel.ownNetns().fd }, back)
    expect(await rdmaDevicesOf(rdma)).toEqual([device])
  } else {
    expect(moved).toBe(`Cannot move it into ${pod.netns} on rxe0: EOPNOTSUPP`)
  }
})

test('a VF without an RDMA device goes into a pod, and is refused where the configuration wants one', async () => {
  await shell('rdma system set netns exclusive')
  const pod = await newPod()
  await add(pod, netConf(vf(1)))
  await del(pod, netConf(vf(1)))
  expect(await failing('ADD', pod, netConf(vf(1), { rdma: true }))).toMatchObject({
    code: 101,
    msg: expect.stringContaining('has no RDMA device'),
  })
})
