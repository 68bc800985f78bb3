/** Events of devices, as the kernel sends them to udev (lib/kobject_uevent.c): `add@/devices/…`, then `KEY=value`, each with a NUL. */

const KINDS = '(?:add|remove|move|bind|unbind|change|online|offline)'
/** A PCI function, or what hangs below one: an interface, a vfio or uio device, an RDMA device. */
const PCI = '(?!virtual\\/)(?:.*\\/)?pci[0-9a-f]{4,}:'
/** An RDMA device that software makes of an interface. */
const SOFTWARE_RDMA = 'virtual\\/infiniband'
const ABOUT_DEVICES = new RegExp(`^${KINDS}@\\/devices\\/(?:${PCI}|${SOFTWARE_RDMA})`)

/** Whether an event is about a PCI function or something below one, or about an RDMA device. */
export const isAboutDevices = (event: Buffer): boolean =>
  ABOUT_DEVICES.test(event.toString('latin1', 0, event.indexOf(0)))
