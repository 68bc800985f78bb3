import { describe, expect, test } from 'vitest'
import { RDMA_NLDEV_GET, RDMA_NLDEV_SET, rdmaChangeMessage, rdmaDeviceIn } from '../../../src/netlink/rdma.js'
import { mutationsOf, prefixesOf, unexpectedErrors } from './damage.js'

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

/** As Linux 6.12 answers RDMA_NLDEV_GET for rdma_rxe on an igb: ports, capabilities, GUIDs, node type, protocol. */
const DEVICE = bytes(
  '0800010000000000 0900020072786530 00000000 0800030001000000 0c000400763c2201c0010000' +
    '0c000600010000feff005450 0c000700010000feff005450 05000e0001000000 0500540000000000' +
    '0500650001000000 09004300726f636500000000',
)

describe('messages of RDMA netlink', () => {
  test('have the numbers of the kernel: client 5, ten bits for the command', () => {
    expect([RDMA_NLDEV_GET, RDMA_NLDEV_SET]).toEqual([0x1401, 0x1402])
  })

  test('move a device by its index and a descriptor', () => {
    expect(rdmaChangeMessage(3, { netnsFd: 7 })).toEqual(bytes('0800010003000000 0800440007000000'))
  })

  test('rename a device', () => {
    expect(rdmaChangeMessage(5, { name: 'rxe0' })).toEqual(bytes('0800010005000000 0900020072786530 00000000'))
  })

  test('name a device; without a name or an index there is none', () => {
    expect(rdmaDeviceIn(DEVICE)).toEqual({ index: 0, name: 'rxe0' })
    expect(rdmaDeviceIn(DEVICE.subarray(8))).toBeUndefined()
    expect(rdmaDeviceIn(DEVICE.subarray(0, 8))).toBeUndefined()
  })

  test('that are damaged are refused or read, and nothing else happens', () => {
    expect(unexpectedErrors([...prefixesOf(DEVICE), ...mutationsOf(DEVICE)], rdmaDeviceIn)).toEqual([])
  })
})
