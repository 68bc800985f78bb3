import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { realFiles } from '../../../src/host/files/real-files.js'
import type { FilePort } from '../../../src/host/ports.js'
import { parsePciAddress } from '../../../src/pci/address.js'
import { driverOf, functionOf, netdevsOf, pfOf, uplinkOf, vfIndexOf } from '../../../src/pci/functions.js'
import { addon } from '../../kernel/netns.js'

const root = mkdtempSync(join(tmpdir(), 'sriov-sysfs-'))
const files: FilePort = realFiles(addon(), root)
const [PF, VF] = ['0000:01:00.0', '0000:01:10.4']

function netdev(address: string, name: string, port?: string): void {
  mkdirSync(join(root, 'sys/bus/pci/devices', address, 'net', name), { recursive: true })
  const folder = join(root, 'sys/class/net', name)
  mkdirSync(folder, { recursive: true })
  symlinkSync(`../../../${address}`, join(folder, 'device'))
  if (port !== undefined) {
    writeFileSync(join(folder, 'phys_port_name'), `${port}\n`)
  }
}

const link = (address: string, name: string, target: string) =>
  symlinkSync(target, join(root, 'sys/bus/pci/devices', address, name))

netdev(PF, 'a-representor', 'pf0vf0')
netdev(PF, 'ens1f0', 'p0')
netdev(VF, 'ens1f0v2')
link(PF, 'virtfn0', '../0000:01:10.0')
link(PF, 'virtfn12', `../${VF}`)
link(PF, 'driver', '../../../../bus/pci/drivers/mlx5_core')
link(VF, 'physfn', `../${PF}`)

afterAll(() => rmSync(root, { recursive: true, force: true }))

test('pfOf() and vfIndexOf() follow the links of sysfs', () => {
  expect([pfOf(files, VF), pfOf(files, PF)]).toEqual([PF, undefined])
  expect([vfIndexOf(files, PF, VF), vfIndexOf(files, PF, '0000:01:10.6')]).toEqual([12, undefined])
})

test('uplinkOf() takes the port, not a representor', () => {
  expect(uplinkOf(files, PF)).toBe('ens1f0')
  expect(uplinkOf(files, VF)).toBe('ens1f0v2')
  expect(uplinkOf(files, '0000:99:00.0')).toBeUndefined()
})

test('netdevsOf() and functionOf() look through a virtio device', () => {
  const virtio = '0000:05:00.1'
  const folder = join(root, 'sys/bus/pci/devices', virtio)
  mkdirSync(join(folder, 'virtio3/net/ens5f0v0'), { recursive: true })
  link(virtio, 'driver', '../../../../bus/pci/drivers/virtio-pci')
  mkdirSync(join(root, 'sys/bus/virtio/devices'), { recursive: true })
  symlinkSync(`../../../devices/pci0000:05/${virtio}/virtio3`, join(root, 'sys/bus/virtio/devices/virtio3'))
  mkdirSync(join(root, 'sys/class/net/ens5f0v0'))
  symlinkSync('../../../virtio3', join(root, 'sys/class/net/ens5f0v0/device'))
  expect(netdevsOf(files, virtio)).toEqual(['ens5f0v0'])
  expect(functionOf(files, 'ens5f0v0')).toBe(virtio)
  expect(functionOf(files, 'ens1f0')).toBe(PF)
})

test('driverOf() and netdevsOf() are empty where there is nothing', () => {
  expect([driverOf(files, PF), driverOf(files, VF)]).toEqual(['mlx5_core', undefined])
  expect([netdevsOf(files, VF), netdevsOf(files, '0000:99:00.0')]).toEqual([['ens1f0v2'], []])
})

test.each([
  ['0000:01:10.0', '0000:01:10.0'],
  ['0000:AF:1F.7', '0000:af:1f.7'],
  ['01:10.0', '0000:01:10.0'],
  ['10000:01:10.0', '10000:01:10.0'],
  ['0000:01:10.8', undefined],
  ['0000:01:10', undefined],
  [' 01:10.0', undefined],
  ['', undefined],
])('parsePciAddress() reads %j as %s', (text, address) => {
  expect(parsePciAddress(text)).toBe(address)
})
