/** What a tenant of a node has at hand: a folder of his own, programs in it, and records that he wrote himself. */
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A user that is not root. */
export const TENANT_UID = 12_345

export interface Tenant {
  readonly folder: string
  /** A program that leaves a trace when it is run. */
  readonly program: string
  /** Whether it was run. */
  wasRun(): boolean
  forget(): void
  /** Writes a file of his. Returns its path. */
  write(name: string, text: string | object): string
  remove(): void
}

export function makeTenant(): Tenant {
  const folder = mkdtempSync(join(tmpdir(), 'sriov-tenant-'))
  chmodSync(folder, 0o755)
  const trace = join(folder, 'was-run')
  const program = join(folder, 'plugins/evil')
  const write = (name: string, text: string | object) => {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, typeof text === 'string' ? text : JSON.stringify(text))
    for (let one = path; one !== folder; one = dirname(one)) {
      chownSync(one, TENANT_UID, TENANT_UID)
    }
    return path
  }
  write('plugins/evil', `#!/bin/sh\necho "$CNI_COMMAND $*" >>${trace}\n`)
  chmodSync(program, 0o755)
  chownSync(folder, TENANT_UID, TENANT_UID)
  return {
    folder,
    program,
    wasRun: () => existsSync(trace),
    forget: () => rmSync(trace, { force: true }),
    write,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** A complete record of an attachment, whose way home runs `type` from `plugins`. */
export const forgedRecord = (container: string, device: string, plugins: string, type: string) => ({
  schema: 1,
  phase: 'attached',
  containerId: container,
  ifName: 'net1',
  network: 'lab',
  netns: { path: '/run/netns/none', device: '4', inode: '1' },
  bootId: 'forged',
  deviceId: device,
  driver: 'fakevf',
  original: { netdev: { name: 'vf0', isUp: false, isPromisc: false, isAllmulti: false } },
  wanted: { vf: {}, netdev: {} },
  ipam: { type, stdin: '{}', environment: { CNI_PATH: plugins } },
})

/** What the Go sriov-cni would have recorded; its configuration is a tenant's. */
export const forgedGoRecord = (device: string, type: string) => ({
  deviceID: device,
  OrigVfState: { HostIFName: 'vf0', SpoofChk: true },
  IPAM: { type },
  ContIFNames: 'net1',
  cniVersion: '1.0.0',
  name: 'lab',
  type: 'sriov',
})

/** What intel's plugin 0.x would have recorded. */
export const forgedIntelRecord = (device: string, tool: string) => ({
  pci_addr: device,
  ifname: 'vf0',
  kernel_driver: 'fakevf',
  dpdk_driver: 'vfio-pci',
  dpdk_tool: tool,
  vfid: 0,
})
