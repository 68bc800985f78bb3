/**
 * Brings one resource to kubelet, and again after each start of kubelet. There are two ways: kubelet's plugin watcher finds a
 * socket in plugins_registry; or we register a socket in device-plugins, whose sockets kubelet removes when it starts. The
 * first needs nothing from us after a restart of kubelet, but old ones cannot talk to Node.js that way.
 */
import { messageOf } from '../errors.js'
import type { FilePort, Log } from '../host/ports.js'
import { type Endpoint, type EndpointEvents, openEndpoint } from '../kubelet/endpoint.js'
import type { Offer } from '../kubelet/offer.js'
import { register } from '../kubelet/register.js'
import { socketNameOf } from './socket-name.js'

/** kubelet looks at plugins_registry every second, and dials a registered socket at once. */
const PATIENCE_MS = 10_000
/** kubelet may have ended, or begun anew: then its socket changes, and we are told. */
const DESERTED_MS = 2_000
const RETRY_MS = 5_000
const REBIND_MS = 1_000
const MAX_REBINDS = 5

export interface RegistrarPorts {
  readonly files: Pick<FilePort, 'exists' | 'remove'>
  readonly log: Log
  readonly kubeletFolder: string
  /** Tells what is at a path from what was there before; undefined when nothing is. */
  identityOf(path: string): string | undefined
  /** Runs `work` later. The process does not wait for it. */
  after(ms: number, work: () => void): void
}

/** How a resource reaches kubelet. */
export type Way = 'watcher' | 'register'

export interface Registrar {
  /** Something changed in kubelet's folders. */
  look(): void
  /** The devices changed. */
  push(): void
  /** By which way kubelet knows the resource; undefined when it does not. */
  known(): Way | undefined
  stop(): void
}

interface Open {
  readonly endpoint: Endpoint
  readonly path: string
  readonly identity: string | undefined
}

export function startRegistrar(offer: Offer, ports: RegistrarPorts): Registrar {
  const { files, log, kubeletFolder, identityOf, after } = ports
  const { resource } = offer
  const registry = `${kubeletFolder}/plugins_registry`
  const folder = `${kubeletFolder}/device-plugins`
  const kubeletSocket = `${folder}/kubelet.sock`
  let way: Way | undefined
  let open: Open | undefined
  /** The kubelet that was told, or that is expected to look. */
  let kubelet: string | undefined
  let isStopped = false
  /** What was said since kubelet last listened. */
  const told = new Set<string>()

  const isKnown = () => open?.endpoint.isListenedTo() === true

  const trouble = (message: string, facts: Readonly<Record<string, unknown>>) => {
    const key = `${message} ${JSON.stringify(facts)}`
    log[told.has(key) ? 'debug' : 'warning'](message, { resource, ...facts })
    told.add(key)
  }

  const later = (ms: number, work: () => void) => after(ms, () => (isStopped ? undefined : work()))

  const events: EndpointEvents = {
    listening() {
      told.clear()
      log.info('kubelet has taken the resource', { resource, devices: offer.devices().length, way })
    },
    deserted() {
      log.info('kubelet does not listen to the resource any more', { resource })
      later(DESERTED_MS, () => {
        if (!isKnown()) {
          // If this kubelet lives, it has to be told anew.
          kubelet = undefined
          close()
          look()
        }
      })
    },
    refused: (why) => trouble('kubelet refuses the resource', { why }),
  }

  function close(): void {
    open?.endpoint.close()
    open = undefined
  }

  /** How often the socket was made within the last second. */
  let rebinds = 0

  /**
   * Listens in a folder, anew when the socket that we had there is gone. Returns its name; undefined when another program
   * takes the socket again and again: then there is a pause.
   */
  async function listenIn(parent: string): Promise<string | undefined> {
    const name = socketNameOf(parent, resource)
    const path = `${parent}/${name}`
    if (open?.path !== path || open.identity === undefined || identityOf(path) !== open.identity) {
      if (rebinds >= MAX_REBINDS) {
        trouble('another program takes the socket of the resource', { path })
        later(RETRY_MS, look)
        return undefined
      }
      rebinds += 1
      after(REBIND_MS, () => {
        rebinds -= 1
      })
      // An old stream that ends makes kubelet forget the resource: end it before it hears of the new socket.
      close()
      files.remove(path)
      const endpoint = await openEndpoint(offer, path, events)
      open = { endpoint, path, identity: identityOf(path) }
      kubelet = undefined
    }
    return name
  }

  /** Goes the other way when this kubelet has not come in time. */
  function expect(other: Way, message: string): void {
    const expected = kubelet
    later(PATIENCE_MS, () => {
      if (!isKnown() && kubelet === expected && way !== other) {
        trouble(message, {})
        way = other
        look()
      }
    })
  }

  async function settleByWatcher(current: string | undefined): Promise<void> {
    const name = await listenIn(registry)
    if (name !== undefined && current !== undefined && current !== kubelet) {
      kubelet = current
      expect('register', 'the plugin watcher of kubelet does not take the resource; it is registered instead')
    }
  }

  async function settleByRegister(current: string): Promise<void> {
    const name = await listenIn(folder)
    if (name === undefined || current === kubelet) {
      return
    }
    const outcome = await register(kubeletSocket, resource, name)
    kubelet = current
    if (outcome === 'registered') {
      if (files.exists(registry)) {
        expect('watcher', 'kubelet has registered the resource and does not dial its socket')
      }
    } else if (files.exists(registry)) {
      // Its socket is that of a kubelet that has ended. The next one finds us by itself.
      way = 'watcher'
      await listenIn(registry)
      kubelet = current
      expect('register', 'the plugin watcher of kubelet does not take the resource; it is registered instead')
    } else {
      later(RETRY_MS, look)
      kubelet = undefined
    }
  }

  async function settle(): Promise<void> {
    if (way === 'watcher' && !files.exists(registry)) {
      way = undefined
    }
    way ??= files.exists(registry) ? 'watcher' : files.exists(folder) ? 'register' : undefined
    const current = identityOf(kubeletSocket)
    if (way === 'watcher') {
      await settleByWatcher(current)
    } else if (way === 'register' && current !== undefined) {
      await settleByRegister(current)
    }
  }

  let isSettling = false
  let isToSettle = false

  function look(): void {
    isToSettle = true
    if (!isSettling) {
      isSettling = true
      void settleAll()
    }
  }

  async function settleAll(): Promise<void> {
    while (isToSettle && !isStopped) {
      isToSettle = false
      try {
        await settle()
      } catch (error) {
        trouble('the resource cannot be brought to kubelet yet', { error: messageOf(error) })
        later(RETRY_MS, look)
      }
    }
    isSettling = false
    if (isStopped) {
      close()
    }
  }

  look()
  return {
    look,
    push: () => open?.endpoint.push(),
    known: () => (isKnown() ? way : undefined),
    stop() {
      isStopped = true
      if (!isSettling) {
        close()
      }
    },
  }
}
