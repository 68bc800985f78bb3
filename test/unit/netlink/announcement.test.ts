import { expect, test } from 'vitest'
import { announcementFrame } from '../../../src/netlink/announcement.js'
import { parseIp } from '../../../src/netlink/ip.js'

const MAC = '02:00:00:00:00:77'

const onesComplementSum = (bytes: Buffer): number => {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes.readUInt16BE(i)
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + Math.floor(sum / 0x10000)
  }
  return sum
}

test('announcementFrame() is a gratuitous ARP request for IPv4', () => {
  expect(announcementFrame(MAC, parseIp('10.1.0.5')).toString('hex')).toBe(
    'ffffffffffff' + '020000000077' + '0806' + '0001080006040001' + '0200000000770a010005' + '0000000000000a010005',
  )
})

test('announcementFrame() is an unsolicited neighbour advertisement for IPv6', () => {
  const frame = announcementFrame(MAC, parseIp('2001:db8::5'))
  const ip = '20010db8000000000000000000000005'
  expect(frame.toString('hex', 0, 54)).toBe(
    `3333000000010200000000778${'6dd'}600000000020${'3aff'}${ip}ff020000000000000000000000000001`,
  )
  expect(frame.toString('hex', 54, 56)).toBe('8800')
  expect(frame.toString('hex', 58)).toBe(`20000000${ip}0201020000000077`)
})

test.each(['2001:db8::5', 'fe80::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe', '::1'])(
  'announcementFrame() has a right checksum for %s',
  (ip) => {
    const frame = announcementFrame(MAC, parseIp(ip))
    const body = frame.subarray(54)
    const pseudoHeader = Buffer.concat([frame.subarray(22, 54), Buffer.from([0, 0, 0, body.length, 0, 0, 0, 58])])
    expect(onesComplementSum(Buffer.concat([pseudoHeader, body]))).toBe(0xffff)
  },
)
