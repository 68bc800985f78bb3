import type { FilePort } from '../../host/ports.js'
import { devPortOf, interfaceExists, netdevsOf, uplinkOf } from '../../pci/functions.js'
import type { AttachmentRecord } from '../../state/record.js'

/**
 * The name of the interface that an attachment took from the host, while it is on the host; undefined while another
 * namespace has it. Beside the own interface of a PF the representors of its VFs may stand.
 */
export function netdevOnHost(files: FilePort, { deviceId, pf, original }: AttachmentRecord): string | undefined {
  const { devPort } = original.netdev
  const name =
    pf || devPort !== undefined
      ? netdevsOf(files, deviceId).find((one) => devPort === undefined || devPortOf(files, one) === devPort)
      : uplinkOf(files, deviceId)
  return name !== undefined && interfaceExists(files, name) ? name : undefined
}
