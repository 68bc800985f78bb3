import { readFileSync } from 'node:fs'
import { ip, must, sleep, start, until } from './process.js'

/** An rtnetlink request seen by nlmon: its type, and the types of its attributes with their bytes. */
export interface SeenRequest {
  readonly type: number
  readonly attributes: ReadonlyMap<number, Buffer>
}

const PCAP_HEADER = 24
const RECORD_HEADER = 16
/** LINKTYPE_NETLINK: the protocol family is in the last two bytes. */
const COOKED_HEADER = 16
const NETLINK_HEADER = 16
const LINK_HEADER = 16
const NETLINK_ROUTE = 0
const NLA_TYPE_MASK = 0x3fff

const RTM_NEWLINK = 16
const RTM_GETLINK = 18
const RTM_SETLINK = 19
const NLM_F_REQUEST = 1

const align = (length: number): number => (length + 3) & ~3

function attributesOf(bytes: Buffer): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>()
  for (let offset = 0; offset + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(offset)
    if (length < 4) {
      break
    }
    attributes.set(bytes.readUInt16LE(offset + 2) & NLA_TYPE_MASK, bytes.subarray(offset + 4, offset + length))
    offset += align(length)
  }
  return attributes
}

function* linkRequests(packet: Buffer): Generator<SeenRequest> {
  for (let offset = 0; offset + NETLINK_HEADER <= packet.length; ) {
    const length = packet.readUInt32LE(offset)
    const [type, flags] = [packet.readUInt16LE(offset + 4), packet.readUInt16LE(offset + 6)]
    if (length < NETLINK_HEADER) {
      return
    }
    if (flags & NLM_F_REQUEST && [RTM_NEWLINK, RTM_GETLINK, RTM_SETLINK].includes(type)) {
      const payload = packet.subarray(offset + NETLINK_HEADER + LINK_HEADER, offset + length)
      yield { type, attributes: attributesOf(payload) }
    }
    offset += align(length)
  }
}

function readCapture(path: string): SeenRequest[] {
  const file = readFileSync(path)
  const seen: SeenRequest[] = []
  for (let offset = PCAP_HEADER; offset + RECORD_HEADER <= file.length; ) {
    const length = file.readUInt32LE(offset + 8)
    const packet = file.subarray(offset + RECORD_HEADER, offset + RECORD_HEADER + length)
    if (packet.readUInt16BE(COOKED_HEADER - 2) === NETLINK_ROUTE) {
      seen.push(...linkRequests(packet.subarray(COOKED_HEADER)))
    }
    offset += RECORD_HEADER + length
  }
  return seen
}

/** Until a message has gone through tcpdump. */
const SETTLE_MS = 500

/** Every request about links on the host's rtnetlink while `work` runs, as the kernel's own tap sees it. */
export async function traceNetlink(work: () => Promise<unknown>): Promise<SeenRequest[]> {
  const path = '/tmp/nlmon.pcap'
  await must('modprobe', 'nlmon')
  await ip('link add nlmon0 type nlmon')
  try {
    await ip('link set nlmon0 up')
    const tcpdump = start('tcpdump', ['-i', 'nlmon0', '-U', '--immediate-mode', '-s', '0', '-w', path, '-Z', 'root'])
    await until('tcpdump listens', async () => readFileSync('/proc/net/packet', 'utf8').split('\n').length > 2)
    await work()
    await sleep(SETTLE_MS)
    process.kill(tcpdump.pid, 'SIGINT')
    await tcpdump.done
    return readCapture(path)
  } finally {
    await ip('link del nlmon0')
  }
}

const IFLA_NET_NS_PID = 19
const IFLA_NET_NS_FD = 28
const IFLA_EXT_MASK = 29
const RTEXT_FILTER_VF = 1

/** A request that makes the kernel ask the driver about every VF. */
export const isVfDump = ({ type, attributes }: SeenRequest): boolean =>
  type === RTM_GETLINK && ((attributes.get(IFLA_EXT_MASK)?.readUInt32LE(0) ?? 0) & RTEXT_FILTER_VF) !== 0

/** A request that moves an interface into another namespace. */
export const isMove = ({ type, attributes }: SeenRequest): boolean =>
  type !== RTM_GETLINK && (attributes.has(IFLA_NET_NS_FD) || attributes.has(IFLA_NET_NS_PID))
