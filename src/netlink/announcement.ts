import { parseMac } from './mac.js'

const ETH_P_ARP = 0x0806
const ETH_P_IPV6 = 0x86dd
const BROADCAST = Buffer.alloc(6, 0xff)
const ALL_NODES = Buffer.from('ff020000000000000000000000000001', 'hex')
const ALL_NODES_MAC = Buffer.from('333300000001', 'hex')
const ICMPV6 = 58
const OVERRIDE = 0x20000000

function ethernet(destination: Buffer, source: Buffer, protocol: number, payload: Buffer): Buffer {
  const type = Buffer.alloc(2)
  type.writeUInt16BE(protocol, 0)
  return Buffer.concat([destination, source, type, payload])
}

/**
 * A gratuitous ARP request for an IPv4 address (RFC 5227 section 3). Hosts with the address in their cache learn the
 * new MAC.
 */
function gratuitousArp(mac: Buffer, ip: Buffer): Buffer {
  const head = Buffer.from('0001080006040001', 'hex')
  return ethernet(BROADCAST, mac, ETH_P_ARP, Buffer.concat([head, mac, ip, Buffer.alloc(6), ip]))
}

/** The Internet checksum (RFC 1071). */
function checksum(bytes: Buffer): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) {
    sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0)
  }
  while (sum > 0xffff) {
    sum = (sum & 0xffff) + (sum >>> 16)
  }
  return ~sum & 0xffff
}

/** An unsolicited neighbour advertisement to all nodes, with the override flag (RFC 4861 sections 4.4 and 7.2.6). */
function neighbourAdvertisement(mac: Buffer, ip: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from('88000000', 'hex'), Buffer.alloc(4), ip, Buffer.from([2, 1]), mac])
  body.writeUInt32BE(OVERRIDE, 4)
  const pseudoHeader = Buffer.concat([ip, ALL_NODES, Buffer.from([0, 0, 0, body.length, 0, 0, 0, ICMPV6])])
  body.writeUInt16BE(checksum(Buffer.concat([pseudoHeader, body])), 2)
  const header = Buffer.from([0x60, 0, 0, 0, 0, body.length, ICMPV6, 255])
  return ethernet(ALL_NODES_MAC, mac, ETH_P_IPV6, Buffer.concat([header, ip, ALL_NODES, body]))
}

/** The Ethernet frame that tells the neighbours which MAC now has an address. `ip` has 4 or 16 bytes. */
export function announcementFrame(mac: string, ip: Buffer): Buffer {
  const source = parseMac(mac) ?? Buffer.alloc(6)
  return ip.length === 4 ? gratuitousArp(source, ip) : neighbourAdvertisement(source, ip)
}
