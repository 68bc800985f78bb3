/**
 * The RDMA device of a function goes into the pod with it, where the node keeps each RDMA device in one network namespace
 * (`rdma system set netns exclusive`). Where all namespaces share them, nothing moves: the pod needs the character devices.
 */
import { errnoOf, messageOf, PluginError } from '../../errors.js'
import { pollUntil } from '../../host/poll.js'
import { isRdmaExclusive } from '../../node/rdma-mode.js'
import { hardwareRdmaOf, hasHardwareRdma } from '../../pci/driver.js'
import { changeRdma, openRdma, rdmaDevicesOf } from '../../rtnl/rdma.js'
import { noteAttachment } from '../../state/attachments.js'
import type { RecordedRdma } from '../../state/record.js'
import { describeDevice } from '../device/locate.js'
import type { Attachment, Findings, Progress } from './attachment.js'

const refusal = (message: string) => new PluginError({ kind: 'device', message })

/** A dump leaves a device out when another one is moved away meanwhile: it is repeated while sysfs shows the device. */
const LISTED = { timeoutMs: 1_000, pauseMs: 20 }

/**
 * The RDMA device that goes into the pod; undefined when none does.
 * @throws PluginError kind `device` when the configuration wants one and there is none, or when somebody else has it; kind
 * `kernel`
 */
export async function findRdma(
  { host, conf, location }: Attachment,
  driver: string,
): Promise<RecordedRdma | undefined> {
  const { files, clock } = host
  const { address } = location
  if (conf.rdma === false) {
    return undefined
  }
  const name = hardwareRdmaOf(files, address)
  if (name === undefined && hasHardwareRdma(files, address)) {
    // Whoever has it could use the VF of the next pod.
    throw refusal(
      `the RDMA device of ${describeDevice(location)} is in another network namespace; sriovctl repair ${address} brings it back ("rdma": false does without it)`,
    )
  }
  if (name === undefined) {
    if (conf.rdma === true) {
      throw refusal(
        `rdma: ${describeDevice(location)} has no RDMA device; is the RDMA module of its driver (${driver === '' ? 'none' : driver}) loaded?`,
      )
    }
    return undefined
  }
  if (!isRdmaExclusive(files)) {
    return undefined
  }
  using rdma = openRdma(host)
  const device = await pollUntil(clock, LISTED, async () => {
    const found = (await rdmaDevicesOf(rdma)).find((one) => one.name === name)
    return found ?? (hardwareRdmaOf(files, address) === name ? undefined : 'gone')
  })
  if (device === undefined || device === 'gone') {
    throw refusal(`the RDMA device ${name} of ${describeDevice(location)} is not in this network namespace any more`)
  }
  return device
}

/**
 * A driver that does not move its device (EOPNOTSUPP) is an error only where the configuration wants it: without, the pod
 * has what it had before there was such a move. @throws PluginError kind `kernel`
 */
export async function moveRdmaIn(attachment: Attachment, findings: Findings, progress: Progress): Promise<void> {
  const { host, conf } = attachment
  try {
    await move(attachment, findings)
  } catch (error) {
    if (conf.rdma === true || errnoOf(error) !== 'EOPNOTSUPP') {
      throw error
    }
    host.log.warning('the RDMA device stays on the host', { reason: messageOf(error) })
    const { rdma: _stays, ...record } = progress.record
    progress.record = record
    await noteAttachment(host.state, record)
  }
}

/** @throws PluginError kind `kernel` */
async function move({ host, pod, location }: Attachment, { rdma: device, driver }: Findings): Promise<void> {
  if (!device) {
    return
  }
  using rdma = openRdma(host)
  const about = {
    operation: `move the RDMA device into ${pod.path}`,
    target: `${device.name} (${location.address})`,
    driver,
  }
  await host.phases.during('move', () => changeRdma(rdma, device.index, { netnsFd: pod.fd }, about))
}
