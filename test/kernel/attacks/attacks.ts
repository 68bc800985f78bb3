/** What a tenant writes into a network configuration to get more than a VF. */
import { join } from 'node:path'
import type { Tenant } from './tenant.js'

/** What a configuration is sent with. */
export interface Attack {
  readonly what: string
  readonly conf: object
  readonly verbs?: readonly ('ADD' | 'DEL' | 'CHECK' | 'GC')[]
  /** CNI_ARGS of the call. */
  readonly args?: string
  readonly container?: string
}

const LONG = `/${'a'.repeat(4095)}`

/** Paths that lead where they should not, by all that a path can be. */
const pathsTo = (tenant: Tenant, victim: string): readonly string[] => [
  victim,
  `/var/log/../..${victim}`,
  `/run/k8s.cni.cncf.io/devinfo/../../..${victim}`,
  `/var/lib/cni/sriov/../../../..${victim}`,
  `//var/log/../..${victim}`,
  `/var/log/./../../${victim}`,
  join(tenant.folder, 'link-to-victim'),
  join(tenant.folder, 'hard-link-to-victim'),
  join(tenant.folder, 'new'),
  '/proc/sys/kernel/core_pattern',
  '/proc/self/environ',
  '/sys/kernel/uevent_helper',
  '/dev/null',
  `${victim}\0.log`,
  `/var/log/a\n${victim}`,
  LONG,
  `${victim}/`,
  '/etc/cron.d/sriov',
]

export function attacksOn(tenant: Tenant, victim: string): readonly Attack[] {
  const dpdk = (more: object) => ({ dpdk: { dpdk_driver: 'vfio-pci', ...more } })
  const paths = pathsTo(tenant, victim)
  const tools = [
    tenant.program,
    '/bin/sh',
    '/usr/bin/env',
    `/usr/bin/../..${tenant.program}`,
    `/usr/bin/dpdk-devbind.py/../../..${tenant.program}`,
    `${tenant.folder}/plugins/./evil`,
    join(tenant.folder, 'dpdk-devbind.py'),
    join(tenant.folder, 'link-to-program'),
    LONG,
  ]
  const drivers = [
    'floppy',
    'vfio-pci-evil',
    '../../../../tmp/x',
    'a b',
    '-r',
    'vfio_pci --remove',
    `x${'y'.repeat(100)}`,
  ]
  const plugins = [`../../..${tenant.program}`, tenant.program, '.', '..', './evil', 'a/b', 'sriov', '\0evil', 'evil']
  return [
    ...tools.map((tool) => ({ what: `dpdk_tool ${tool.slice(0, 60)}`, conf: dpdk({ dpdk_tool: tool }) })),
    ...drivers.flatMap((driver) => [
      { what: `dpdk_driver ${driver.slice(0, 60)}`, conf: { dpdk: { dpdk_driver: driver } } },
      { what: `kernel_driver ${driver.slice(0, 60)}`, conf: dpdk({ kernel_driver: driver }) },
    ]),
    ...paths.map((path) => ({ what: `logFile ${shown(path)}`, conf: { logFile: path, logLevel: 'debug' } })),
    ...paths.map((path) => ({
      what: `CNIDeviceInfoFile ${shown(path)}`,
      conf: { capabilities: { CNIDeviceInfoFile: true }, runtimeConfig: { CNIDeviceInfoFile: path } },
    })),
    ...paths.map((path) => ({ what: `cniDir ${shown(path)}`, conf: { cniDir: path } })),
    {
      what: 'CNIDeviceInfoFile without the capability',
      conf: { runtimeConfig: { CNIDeviceInfoFile: '/run/k8s.cni.cncf.io/devinfo/undeclared.json' } },
    },
    {
      what: 'CNIDeviceInfoFile of another pod',
      conf: {
        capabilities: { CNIDeviceInfoFile: true },
        runtimeConfig: { CNIDeviceInfoFile: '/run/k8s.cni.cncf.io/devinfo/another-pod.json' },
      },
    },
    ...plugins.map((type) => ({ what: `ipam.type ${shown(type)}`, conf: { ipam: { type } } })),
    { what: 'deviceID with a path', conf: { deviceID: '../../../../../etc' } },
    { what: 'master with a path', conf: { deviceID: undefined, master: '../../etc' } },
    { what: 'master with %', conf: { deviceID: undefined, master: 'vf%d' } },
    { what: 'if0name with %', conf: { if0name: 'eth%d' } },
    { what: 'if0name with a path', conf: { if0name: '../x' } },
  ]
}

const shown = (path: string): string => JSON.stringify(path.length > 80 ? `${path.slice(0, 40)}…` : path)
