import { PluginError } from '../../../src/errors.js'
import type { KernelPort, NetlinkSocket, Netns, OpenedNetns, RouteSocket } from '../../../src/host/ports.js'
import * as nl from '../../../src/netlink/constants.js'
import { decodeMessages, encodeMessages, type NetlinkMessage } from '../../../src/netlink/message.js'
import { RDMA_NLDEV_GET } from '../../../src/netlink/rdma.js'
import type { Effect, Interference } from '../machine/interference.js'
import { type FakeWorld, HOST_NETNS } from '../machine/world.js'
import { acknowledgement } from './answers.js'
import { type FakeNetns, Refused } from './links.js'
import { answerRdma } from './rdma.js'
import { answer } from './rtnetlink.js'

const NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  Object.entries(nl).flatMap(([name, value]) => (name.startsWith('RTM_') ? [[value, name]] : [])),
)

const READS = new Set([nl.RTM_GETLINK, nl.RTM_GETADDR, nl.RTM_GETROUTE, RDMA_NLDEV_GET])

const effectOf = ({ type, payload }: NetlinkMessage): Effect => ({
  kind: 'netlink',
  what: `${NAMES[type] ?? type} ${payload
    .subarray(16)
    .toString('latin1')
    .replace(/[^\w.:-]+/g, ' ')}`,
  isChange: !READS.has(type),
})

const refusal = (operation: string, target: string, code: string) =>
  new PluginError({ kind: 'kernel', operation, target, code })

const OPEN_FD = /^\/proc\/self\/fd\/(\d+)$/

/** The kernel of a fake world: speaks netlink bytes; every request passes the interference. */
export function fakeKernel(world: FakeWorld, interfere: Interference): KernelPort {
  const open = new Map<number, FakeNetns>()
  let lastFd = 10

  function openNetns(path: string): OpenedNetns {
    const refuse = (problem: string): never => {
      throw new PluginError({ kind: 'netns', path, problem })
    }
    interfere(
      { kind: 'netns', what: path, isChange: false },
      () => undefined,
      (code) => {
        throw new PluginError({ kind: 'netns', path, problem: code, code })
      },
    )
    const fdOpened = OPEN_FD.exec(path)?.[1]
    const netns = fdOpened === undefined ? world.namespaces.get(path) : open.get(Number(fdOpened))
    if (!netns) {
      return refuse(world.files.has(path) ? 'is not a network namespace' : 'does not exist')
    }
    lastFd += 1
    const fd = lastFd
    open.set(fd, netns)
    world.openDescriptors += 1
    return {
      path,
      fd,
      id: { device: '4', inode: String(netns.inode) },
      [Symbol.dispose]() {
        world.openDescriptors -= open.delete(fd) ? 1 : 0
      },
    }
  }

  // As the real one, it stays open, and is no leak.
  let own: Netns | undefined
  function ownNetns(): Netns {
    if (!own) {
      own = openNetns(HOST_NETNS)
      world.openDescriptors -= 1
    }
    return own
  }

  function netnsOf(handle: Netns): FakeNetns {
    const netns = open.get(handle.fd)
    if (!netns) {
      throw refusal('use a namespace', handle.path, 'EBADF')
    }
    return netns
  }

  function openSocket(netns: FakeNetns, answerTo: typeof answer): NetlinkSocket {
    const waiting: Buffer[] = []
    let isOpen = true
    world.openDescriptors += 1
    return {
      async send(bytes) {
        for (const request of decodeMessages(bytes)) {
          const answers = interfere(
            effectOf(request),
            () => answerTo({ world, netns, netnsOf: (fd) => open.get(fd) }, request),
            (errno) => [acknowledgement(request, new Refused(errno))],
          )
          waiting.push(encodeMessages(answers))
        }
      },
      async receive() {
        const next = waiting.shift()
        if (!next) {
          throw refusal('receive a netlink answer', 'the route socket', 'ETIMEDOUT')
        }
        return next
      },
      [Symbol.dispose]() {
        world.openDescriptors -= isOpen ? 1 : 0
        isOpen = false
      },
    }
  }

  function openRouteSocket(handle?: Netns): RouteSocket {
    const netns = handle ? netnsOf(handle) : world.host
    return {
      ...openSocket(netns, answer),
      async busInfo(interfaceName) {
        return interfere(
          { kind: 'ethtool', what: `bus info of ${interfaceName}`, isChange: false },
          () => netns.links.find(({ name }) => name === interfaceName)?.parentDevice,
          (errno) => {
            throw refusal('ask its driver for its device', interfaceName, errno)
          },
        )
      },
    }
  }

  return {
    get hasThreads() {
      return world.hasThreads
    },
    duringRequest: (work) => (world.hasThreads ? Promise.resolve().then(work) : Promise.resolve(work())),
    openNetns,
    ownNetns,
    openRouteSocket,
    openRdmaSocket: (handle) => openSocket(handle ? netnsOf(handle) : world.host, answerRdma),
    sendFrame(handle, interfaceIndex, frame) {
      const target = `interface ${interfaceIndex} in ${handle.path}`
      interfere(
        { kind: 'frame', what: target, isChange: true },
        () => world.frames.push({ netns: netnsOf(handle), interfaceIndex, bytes: frame }),
        (errno) => {
          throw refusal('send a frame', target, errno)
        },
      )
    },
    writeNetSysctl(handle, path, value) {
      interfere(
        { kind: 'sysctl', what: path, isChange: true },
        () => world.sysctls.set(`${netnsOf(handle).inode} ${path}`, value),
        (errno) => {
          throw refusal(`write ${value} to ${path}`, handle.path, errno)
        },
      )
    },
  }
}
