import type { Link } from '../netlink/link.js'
import { type PciAddress, parsePciAddress } from '../pci/address.js'
import type { Rtnl } from './connection.js'

/**
 * The PCI function behind an interface of this namespace; undefined for a virtual interface. Kernels since 5.14 show it
 * (IFLA_PARENT_DEV_NAME); before, the interface's driver is asked (bus_info of ETHTOOL_GDRVINFO), which a pod cannot
 * make say anything. It is asked by name: whoever acts on the answer must expect that a pod renames its interfaces in
 * between.
 * @throws PluginError kind `kernel`
 */
export async function pciDeviceOf(rtnl: Rtnl, { parentDevice, name }: Link): Promise<PciAddress | undefined> {
  const shown = parsePciAddress(parentDevice ?? '')
  // The kernel shows the virtio device of a virtio interface; its driver tells the PCI function below.
  return shown ?? parsePciAddress((await rtnl.busInfo(name)) ?? '')
}
