/**
 * Stands in front of the plugin in the tests' installations, where veth interfaces play VFs: no driver of theirs tells a
 * PCI address, so their MAC does (deviceOfMac()). All else of the addon is the real one. After SIGUSR2, drivers do not
 * return from writes to the attributes named in the file `stuck` beside the plugin.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeAttribute } from '../../../src/host/files/attributes.js'
import { textAttribute } from '../../../src/netlink/attribute.js'
import { IFLA_IFNAME, NLM_F_REQUEST, RTM_GETLINK } from '../../../src/netlink/constants.js'
import { encodeLinkMessage, linkOf } from '../../../src/netlink/link.js'
import { decodeMessages, encodeMessages } from '../../../src/netlink/message.js'
import { deviceOfMac } from './devices.js'

interface RealAddon {
  exchangeRouteNow(fd: number, bytes: Buffer, timeoutMs: number): Buffer | number
  busInfo(fd: number, interfaceName: string): Promise<string | number>
}

const TIMEOUT_MS = 1_000

function busInfo(addon: RealAddon, fd: number, interfaceName: string): string {
  const attributes = [textAttribute(IFLA_IFNAME, interfaceName)]
  const payload = encodeLinkMessage({ family: 0, linkType: 0, index: 0, flags: 0, change: 0, attributes })
  const request = { type: RTM_GETLINK, flags: NLM_F_REQUEST, sequence: 0, portId: 0, payload }
  const answer = addon.exchangeRouteNow(fd, encodeMessages([request]), TIMEOUT_MS)
  const [message] = typeof answer === 'number' ? [] : decodeMessages(answer)
  return message ? (deviceOfMac(linkOf(message.payload).mac) ?? '') : ''
}

const dlopen = process.dlopen.bind(process)
process.dlopen = (module: object, file: string, ...flags: number[]) => {
  ;(dlopen as (...given: unknown[]) => void)(module, file, ...flags)
  const loaded = module as { exports: RealAddon }
  if (file.endsWith('sriov_native.node')) {
    const addon = loaded.exports
    loaded.exports = { ...addon, busInfo: async (fd, name) => busInfo(addon, fd, name) }
  }
}

process.on('SIGUSR2', () => {
  const text = 'x'.repeat(100_000)
  for (const path of readFileSync(join(__dirname, 'stuck'), 'utf8').trim().split('\n')) {
    writeAttribute(path, text, 200).catch(() => undefined)
  }
})
