import type { Link } from '../netlink/link.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'
import type { Rtnl } from './connection.js'

/**
 * The PCI function behind an interface of this namespace; undefined for a virtual interface. Kernels since 5.14 report
 * it (IFLA_PARENT_DEV_NAME). On older kernels the interface's driver is asked (bus_info of ETHTOOL_GDRVINFO), and a pod
 * cannot influence its answer. The driver is asked by interface name: a caller that acts on the answer must expect that
 * a pod renames its interfaces meanwhile.
 * @throws PluginError kind `kernel`
 */
export async function pciDeviceOf(rtnl: Rtnl, { parentDevice, name }: Link): Promise<PciAddress | undefined> {
  const shown = parsePciAddress(parentDevice ?? '')
  // For a virtio interface the kernel reports the virtio device. The driver reports the PCI function below it.
  return shown ?? parsePciAddress((await rtnl.busInfo(name)) ?? '')
}
