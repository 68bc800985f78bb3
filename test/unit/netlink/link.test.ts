import { expect, test } from 'vitest'
import { encodeAttributes, textAttribute } from '../../../src/netlink/attribute.js'
import { IFLA_PARENT_DEV_NAME, IFLA_VFINFO_LIST } from '../../../src/netlink/constants.js'
import { decodeLinkMessage, encodeLinkMessage, linkChangeMessage, linkOf } from '../../../src/netlink/link.js'
import { decodeVfInfoList, encodeVfInfo, findVfInfo } from '../../../src/netlink/vf-info.js'
import { linkBytes } from '../../fakes/kernel/answers.js'
import { makeLink } from '../../fakes/kernel/links.js'
import { makeMachine, PF } from '../../fakes/machine/machine.js'
import { mutationsOf, prefixesOf, unexpectedErrors } from './damage.js'

const world = makeMachine()
const PF_BYTES = linkBytes(
  { ...world.link(world.host, PF), altNames: ['a-very-long-alternative-name', 'enp1'], isPromisc: true },
  world.cards[0],
)

test('decodeLinkMessage() and encodeLinkMessage() keep every attribute', () => {
  expect(encodeLinkMessage(decodeLinkMessage(PF_BYTES))).toEqual(PF_BYTES)
})

test('linkOf() reads a PF with its VFs', () => {
  const link = linkOf(PF_BYTES)
  expect(link).toMatchObject({
    name: PF,
    mtu: 1500,
    maxMtu: 9000,
    isUp: true,
    isPromisc: true,
    isAllmulti: false,
    hasCarrier: true,
    altNames: ['a-very-long-alternative-name', 'enp1'],
    parentDevice: '0000:01:00.0',
  })
  expect(decodeVfInfoList(link.vfList ?? Buffer.alloc(0)).map(({ index }) => index)).toEqual([3, 2, 1, 0])
  expect(findVfInfo(link.vfList ?? Buffer.alloc(0), 1)?.index).toBe(1)
  expect(findVfInfo(link.vfList ?? Buffer.alloc(0), 9)).toBeUndefined()
})

test('linkOf() reads the VFs of a list whose 16-bit length has overflowed', () => {
  const [card] = makeMachine().cards
  const [vf] = card?.vfs ?? []
  if (!card || !vf) {
    throw new Error('no card')
  }
  const vfs = Array.from({ length: 512 }, (_, index) => ({ ...vf, index, settings: { ...vf.settings, vlan: index } }))
  const listOnly = encodeAttributes(
    vfs.map((one) => ({ type: 1, payload: encodeVfInfo({ ...one.settings, index: one.index, unreported: [] }) })),
  )
  expect(listOnly.length).toBeGreaterThan(65_536)
  const header = Buffer.alloc(4)
  header.writeUInt16LE((listOnly.length + 4) & 0xffff, 0)
  header.writeUInt16LE(IFLA_VFINFO_LIST, 2)
  const bytes = Buffer.concat([
    linkBytes(world.link(world.host, PF)),
    header,
    listOnly,
    encodeAttributes([textAttribute(IFLA_PARENT_DEV_NAME, '0000:09:00.0')]),
  ])
  const read = linkOf(bytes)
  expect(read).toMatchObject({ name: PF, parentDevice: '0000:09:00.0' })
  expect([0, 255, 511].map((index) => findVfInfo(read.vfList ?? Buffer.alloc(0), index)?.vlan)).toEqual([0, 255, 511])
})

test('linkOf() reads an interface of an old kernel', () => {
  const { parentDevice: _none, ...old } = makeLink({ name: 'eth0' })
  expect(linkOf(linkBytes(old))).toMatchObject({ altNames: [] })
  expect(linkOf(linkBytes(old)).vfList).toBeUndefined()
  expect(linkOf(linkBytes(old)).parentDevice).toBeUndefined()
})

test('linkChangeMessage() writes a move with everything in the order of the kernel', () => {
  const change = { netnsFd: 9, name: 'net1', mac: '02-00-00-00-00-AA', mtu: 1400 }
  expect(encodeLinkMessage(linkChangeMessage(6, change)).toString('hex')).toBe(
    [
      '0000000006000000',
      '0000000000000000',
      '08001c0009000000',
      '0a0001000200000000aa0000',
      '0800040078050000',
      '090003006e65743100000000',
    ].join(''),
  )
})

test('linkChangeMessage() names the flags that are to change and no others', () => {
  const flags = ({ flags, change }: ReturnType<typeof linkChangeMessage>) => [flags, change]
  expect(flags(linkChangeMessage(1, { isUp: true }))).toEqual([1, 1])
  expect(flags(linkChangeMessage(1, { isUp: false, isPromisc: true }))).toEqual([0x100, 0x101])
  expect(flags(linkChangeMessage(1, { isAllmulti: false }))).toEqual([0, 0x200])
  expect(flags(linkChangeMessage(1, {}))).toEqual([0, 0])
})

test('linkOf() throws nothing but kind wire at damaged bytes', () => {
  expect(unexpectedErrors([...prefixesOf(PF_BYTES), ...mutationsOf(PF_BYTES, 20_000)], linkOf)).toEqual([])
})
