/**
 * The RDMA device of a function goes into the pod with it, where the node keeps each RDMA device in one network namespace
 * (`rdma system set netns exclusive`). Where all namespaces share them, nothing moves: the pod needs the character devices.
 */
import { PluginError } from '../../errors.js'
import { isRdmaExclusive } from '../../node/rdma-mode.js'
import { hardwareRdmaOf } from '../../pci/driver.js'
import { changeRdma, openRdma, rdmaDevicesOf } from '../../rtnl/rdma.js'
import type { RecordedRdma } from '../../state/record.js'
import { describeDevice } from '../device/locate.js'
import type { Attachment, Findings } from './attachment.js'

/**
 * The RDMA device that goes into the pod; undefined when none does.
 * @throws PluginError kind `device` when the configuration wants one and there is none, kind `kernel`
 */
export async function findRdma(
  { host, conf, location }: Attachment,
  driver: string,
): Promise<RecordedRdma | undefined> {
  if (conf.rdma === false) {
    return undefined
  }
  const name = hardwareRdmaOf(host.files, location.address)
  if (name === undefined) {
    if (conf.rdma === true) {
      const message = `rdma: ${describeDevice(location)} has no RDMA device; is the RDMA module of its driver (${driver === '' ? 'none' : driver}) loaded?`
      throw new PluginError({ kind: 'device', message })
    }
    return undefined
  }
  if (!isRdmaExclusive(host.files)) {
    return undefined
  }
  using rdma = openRdma(host)
  const device = (await rdmaDevicesOf(rdma)).find((one) => one.name === name)
  if (!device) {
    const message = `the RDMA device ${name} of ${describeDevice(location)} is not in this network namespace any more`
    throw new PluginError({ kind: 'device', message })
  }
  return device
}

/** @throws PluginError kind `kernel` */
export async function moveRdmaIn(
  { host, pod, location }: Attachment,
  { rdma: device, driver }: Findings,
): Promise<void> {
  if (!device) {
    return
  }
  using rdma = openRdma(host)
  await changeRdma(
    rdma,
    device.index,
    { netnsFd: pod.fd },
    {
      operation: `move the RDMA device into ${pod.path}`,
      target: `${device.name} (${location.address})`,
      driver,
    },
  )
}
