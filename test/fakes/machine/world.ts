import { type FakeLink, type FakeNetns, findByName, freeName } from '../kernel/links.js'
import type { FakeRdma, FakeRdmaDevice } from '../kernel/rdma.js'
import type { FakeCard, FakeVf } from './card.js'
import { FakeClock } from './clock.js'
import { usualDrivers } from './pci-drivers.js'
import type { Program } from './processes.js'

export const HOST_NETNS = '/proc/thread-self/ns/net'
export const BOOT_ID_PATH = '/proc/sys/kernel/random/boot_id'

/** A frame that left an interface. */
export interface SentFrame {
  readonly netns: FakeNetns
  readonly interfaceIndex: number
  readonly bytes: Buffer
}

/** A machine with SR-IOV cards, pods, files and programs. Every port of a call works on one of these. */
export class FakeWorld {
  readonly clock = new FakeClock()
  readonly namespaces = new Map<string, FakeNetns>()
  readonly cards: FakeCard[] = []
  readonly files = new Map<string, string>([[BOOT_ID_PATH, 'boot-1\n']])
  /** Symbolic links outside sysfs: path to target. */
  readonly symlinks = new Map<string, string>()
  /** What does not belong to root alone: owner and permission bits by path. */
  /** When files were last changed; before the boot, where it is not said. */
  readonly changedMs = new Map<string, number>()
  readonly owners = new Map<string, { readonly uid?: number; readonly mode?: number }>()
  readonly folders = new Set<string>(['/', '/var/lib/cni'])
  readonly locks = new Set<string>()
  readonly pciDrivers = usualDrivers()
  /** PCI functions that a program in user space has open. */
  readonly openFunctions = new Set<string>()
  /** IOMMU groups by number; empty where the IOMMU is off. */
  readonly iommuGroups = new Map<number, readonly string[]>()
  readonly programs = new Map<string, Program>()
  readonly rdma: FakeRdma = { isExclusive: false, devices: [] }
  readonly leases = new Map<string, string>()
  readonly frames: SentFrame[] = []
  readonly sysctls = new Map<string, string>()
  readonly log: string[] = []
  /** The kernel works on a thread of its own, as for the resident process. */
  hasThreads = false
  /** The kernel says which device is behind an interface (IFLA_PARENT_DEV_NAME, since Linux 5.14). */
  showsDevices = true
  /** Room on the disk. */
  freeBytes = 1e9
  /** Nobody waits for the end of the call any more. */
  isCallerGone = false
  /** Sockets and namespaces that calls have open. */
  openDescriptors = 0
  #lastInode = 4026531840

  constructor() {
    this.addNetns(HOST_NETNS)
  }

  get host(): FakeNetns {
    return this.netns(HOST_NETNS)
  }

  netns(path: string): FakeNetns {
    const found = this.namespaces.get(path)
    if (!found) {
      throw new Error(`the fake world has no namespace ${path}`)
    }
    return found
  }

  addNetns(path: string): FakeNetns {
    this.#lastInode += 1
    const netns: FakeNetns = { inode: this.#lastInode, links: [], ...(!this.showsDevices && { altNames: new Map() }) }
    this.namespaces.set(path, netns)
    return netns
  }

  /** Makes the kernel one of before 5.14: it shows no devices, and alternative names stay behind. */
  ageKernel(): void {
    this.showsDevices = false
    for (const netns of this.namespaces.values()) {
      netns.altNames = new Map(netns.links.flatMap((link) => link.altNames.map((name) => [name, link] as const)))
    }
  }

  /** Each RDMA device is in one network namespace from now on. */
  makeRdmaExclusive(): void {
    this.rdma.isExclusive = true
    this.files.set('/sys/module/ib_core/parameters/netns_mode', 'N\n')
  }

  /** A PCI function gets an RDMA device, which is on the host. */
  addRdma(name: string, address: string): FakeRdmaDevice {
    const device = { index: this.rdma.devices.length, name, address, netns: this.host }
    this.rdma.devices.push(device)
    return device
  }

  /** The path goes, but a process lives on in the namespace. */
  unmountNetns(path: string, pid: number): void {
    const netns = this.netns(path)
    const alive = `/proc/${pid}/ns/net`
    this.namespaces.delete(path)
    this.namespaces.set(alive, netns)
    this.symlinks.set(alive, `net:[${netns.inode}]`)
  }

  /** The path goes at once; the interfaces return to the host when the kernel has taken the namespace apart. */
  removeNetns(path: string, cleanupMs = 0): void {
    const dead = this.netns(path)
    this.namespaces.delete(path)
    const takeApart = () => {
      for (const device of this.rdma.devices.filter(({ netns }) => netns === dead)) {
        device.netns = this.host
      }
      for (const link of dead.links.splice(0)) {
        if (link.parentDevice !== undefined) {
          const name = findByName(this.host, link.name) ? freeName(this.host, 'dev%d') : link.name
          this.host.links.push(Object.assign(link, { name, isUp: false, addresses: [], routes: [] }))
        }
      }
    }
    if (cleanupMs === 0) {
      takeApart()
    } else {
      this.clock.after(cleanupMs, takeApart)
    }
  }

  link(netns: FakeNetns, name: string): FakeLink {
    const link = findByName(netns, name)
    if (!link) {
      throw new Error(`no interface ${name} there; there are ${netns.links.map((one) => one.name).join(', ')}`)
    }
    return link
  }

  /** A VF's interface gets a MAC, wherever it is. */
  setMacOf(address: string, mac: string): void {
    for (const link of [...this.namespaces.values()].flatMap(({ links }) => links)) {
      if (link.parentDevice === address) {
        link.mac = mac
      }
    }
  }

  cardOf(pfAddress: string | undefined): FakeCard | undefined {
    return this.cards.find(({ address }) => address === pfAddress)
  }

  /** The VF behind a PCI function, and its card. */
  vfAt(address: string | undefined): { readonly card: FakeCard; readonly vf: FakeVf } | undefined {
    for (const card of this.cards) {
      const vf = card.vfs.find((one) => one.address === address)
      if (vf) {
        return { card, vf }
      }
    }
    return undefined
  }

  vf(address: string): FakeVf {
    const found = this.vfAt(address)
    if (!found) {
      throw new Error(`no VF ${address}`)
    }
    return found.vf
  }
}
