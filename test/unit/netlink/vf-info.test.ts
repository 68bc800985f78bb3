import { describe, expect, test } from 'vitest'
import { decodeAttributes, encodeAttributes } from '../../../src/netlink/attribute.js'
import {
  decodeVfInfo,
  decodeVfInfoList,
  encodeVfInfo,
  type VfChange,
  type VfInfo,
  vfChangeAttribute,
} from '../../../src/netlink/vf-info.js'
import { mutationsOf, prefixesOf, unexpectedErrors } from './damage.js'

const VF: VfInfo = {
  index: 5,
  mac: '02:00:00:00:00:05',
  vlan: 100,
  vlanQoS: 3,
  vlanProto: '802.1ad',
  minTxRateMbps: 10,
  maxTxRateMbps: 200,
  spoofchk: true,
  trust: false,
  linkState: 'enable',
  unreported: [],
}

const MAC = `28000100 05000000 020000000005 ${'00'.repeat(26)}`
const VLAN_LIST = '18000c80 14000100 05000000 64000000 03000000 88a80000'
const RATE = '10000600 05000000 0a000000 c8000000'
const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex')

describe('vfChangeAttribute()', () => {
  const rows: [VfChange, string][] = [
    [{ mac: '02:00:00:00:00:05' }, MAC],
    [{ vlan: { vlan: 100, vlanQoS: 3, vlanProto: '802.1ad' } }, VLAN_LIST],
    [{ vlan: { vlan: 0, vlanQoS: 0, vlanProto: '802.1q' } }, `18000c80 14000100 05000000 ${'0'.repeat(16)} 81000000`],
    [{ rate: { minTxRateMbps: 10, maxTxRateMbps: 200 } }, RATE],
    [{ spoofchk: true }, '0c000400 05000000 01000000'],
    [{ linkState: 'disable' }, '0c000500 05000000 02000000'],
    [{ trust: false }, '0c000900 05000000 00000000'],
  ]

  test.each(rows)('writes %j', (change, bytes) => {
    const [info] = decodeAttributes(vfChangeAttribute(5, change).payload)
    expect(vfChangeAttribute(5, change).type).toBe(0x8016)
    expect(info?.type).toBe(0x8001)
    expect(info?.payload.toString('hex')).toBe(bytes.replace(/\s/g, ''))
  })

  test('writes several in the order of the kernel', () => {
    const change: VfChange = Object.assign({}, ...rows.map(([one]) => one).reverse())
    const [info] = decodeAttributes(vfChangeAttribute(5, change).payload)
    expect(decodeAttributes(info?.payload ?? Buffer.alloc(0)).map(({ type }) => type & 0x3fff)).toEqual([
      1, 12, 6, 4, 5, 9,
    ])
  })
})

describe('decodeVfInfo()', () => {
  test('reads what encodeVfInfo() wrote', () => {
    const unknown: VfInfo = {
      ...VF,
      unreported: ['spoofchk', 'trust', 'linkState'],
      spoofchk: false,
      linkState: 'auto',
    }
    expect(decodeVfInfo(encodeVfInfo(VF))).toEqual(VF)
    expect(decodeVfInfo(encodeVfInfo(unknown))).toEqual(unknown)
  })

  test('reads bytes as the kernel lays them out', () => {
    const bytes = hex(`${MAC} 10000200 05000000 64000000 03000000 ${VLAN_LIST} ${RATE} 0c000400 05000000 01000000
      0c000500 05000000 01000000 0c000900 05000000 00000000 0c000800 05000000 00000000`)
    expect(decodeVfInfo(bytes)).toEqual(VF)
  })

  test('takes the index from the attribute, not the position', () => {
    const list = encodeAttributes([7, 3].map((index) => ({ type: 1, payload: encodeVfInfo({ ...VF, index }) })))
    expect(decodeVfInfoList(list).map(({ index }) => index)).toEqual([7, 3])
  })

  test('reads the maximum rate of old kernels', () => {
    expect(decodeVfInfo(hex(`${MAC} 0c000300 05000000 c8000000`))).toMatchObject({
      minTxRateMbps: 0,
      maxTxRateMbps: 200,
      unreported: ['spoofchk', 'trust', 'linkState'],
    })
  })

  test('throws nothing but kind wire at damaged bytes', () => {
    const bytes = encodeVfInfo(VF)
    expect(unexpectedErrors([...prefixesOf(bytes), ...mutationsOf(bytes)], decodeVfInfo)).toEqual([])
  })
})
