/** What a resource offers to kubelet, without its wire format. */

/** One device of a resource. */
export interface OfferedDevice {
  /** At most 63 characters. */
  readonly id: string
  readonly isHealthy: boolean
  readonly numaNode?: number
}

/** A device file that a container gets, under the same path. `permissions` are those of the device cgroup: r, w, m. */
export interface DeviceNode {
  readonly path: string
  readonly permissions: 'rw' | 'mrw'
}

/** What a container gets for its devices. */
export interface Grant {
  readonly environment: Readonly<Record<string, string>>
  readonly nodes: readonly DeviceNode[]
  /** Qualified names of the Container Device Interface (`vendor.com/class=name`). */
  readonly cdiDevices: readonly string[]
}

/** The devices that a container would rather have: `size` of those available, and the mandatory ones among them. */
export interface Wish {
  readonly available: readonly string[]
  readonly mandatory: readonly string[]
  readonly size: number
}

export interface Offer {
  /** As pods ask for it: `intel.com/sriov`. */
  readonly resource: string
  devices(): readonly OfferedDevice[]
  prefer(wish: Wish): readonly string[]
  /** @throws Error with a sentence for the events of the pod */
  allocate(ids: readonly string[]): Promise<Grant>
}
