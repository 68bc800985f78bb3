/** Events of devices, as the kernel sends them to udev (lib/kobject_uevent.c): `add@/devices/…`, then `KEY=value`, each with a NUL. */

/** A PCI function, or what hangs below one: an interface, a vfio or uio device, an RDMA device. */
const ABOUT_PCI =
  /^(?:add|remove|move|bind|unbind|change|online|offline)@\/devices\/(?!virtual\/)(?:.*\/)?pci[0-9a-f]{4,}:/

/** Whether an event is about a PCI function, or something below one. */
export const isAboutPci = (event: Buffer): boolean => ABOUT_PCI.test(event.toString('latin1', 0, event.indexOf(0)))
