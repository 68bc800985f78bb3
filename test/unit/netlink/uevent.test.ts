import { expect, test } from 'vitest'
import { isAboutDevices } from '../../../src/netlink/uevent.js'

const event = (header: string) => Buffer.from(`${header}\0ACTION=x\0SUBSYSTEM=pci\0`)

test.each([
  ['add@/devices/pci0000:00/0000:00:02.0/0000:01:10.0', true],
  ['bind@/devices/pci0000:00/0000:00:02.0/0000:01:10.0', true],
  ['move@/devices/pci0000:00/0000:00:02.0/0000:01:10.0/net/ens1f0v0', true],
  ['remove@/devices/platform/soc/40000000.pcie/pci0000:00/0000:00:01.0', true],
  ['add@/devices/pci10000:e0/10000:e0:01.0', true],
  ['add@/devices/virtual/infiniband/rxe0', true],
  ['add@/devices/virtual/net/veth1', false],
  ['add@/devices/virtual/net/pci0000:00', false],
  ['add@/module/igbvf', false],
  ['libudev', false],
  ['', false],
])('%s is about a device: %s', (header, expected) => {
  expect(isAboutDevices(event(header))).toBe(expected)
})

test('an event without an end is none', () => {
  expect(isAboutDevices(Buffer.from('x'.repeat(100)))).toBe(false)
})
