import { valueAt } from '../cni/json.js'
import type { FilePort } from '../host/ports.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'

const CHECKPOINT = '/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint'

/**
 * The PCI functions that kubelet hands out through device plugins: `Data.RegisteredDevices{resource:[id]}` of its
 * checkpoint (pkg/kubelet/cm/devicemanager/checkpoint). Empty without a kubelet, or when the file has another form.
 */
export function kubeletDevices(files: FilePort): ReadonlySet<PciAddress> {
  let document: unknown
  try {
    document = JSON.parse(files.readText(CHECKPOINT) ?? '{}')
  } catch {
    document = {}
  }
  const registered = valueAt(valueAt(document, 'Data'), 'RegisteredDevices')
  const lists = typeof registered === 'object' && registered !== null ? Object.values(registered) : []
  return new Set(
    lists
      .flat()
      .flatMap((id) => (typeof id === 'string' ? [parsePciAddress(id)] : []))
      .filter((address) => address !== undefined),
  )
}
