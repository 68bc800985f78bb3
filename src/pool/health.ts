/** Whether the event loop of the device plugin turns: a socket of root's answers. Metrics may be off, or reach the network. */
import type { Listen } from '../host/sockets/listen.js'
import { serveText } from '../host/sockets/text-server.js'
import { type Exchanged, exchange } from '../host/sockets/unix-exchange.js'

const SOCKET: Listen = { path: '/run/sriov-cni/device-plugin.sock' }
const PATH = '/healthz'
const TIMEOUT_MS = 2_000

/** @throws Error of the kernel */
export const serveHealth = (): Promise<Disposable> =>
  serveText(SOCKET, { path: PATH, contentType: 'text/plain', make: async () => 'ok\n' })

export const askDevicePlugin = (): Promise<Exchanged> =>
  exchange(SOCKET.path, Buffer.from(`GET ${PATH} HTTP/1.0\r\n\r\n`), TIMEOUT_MS)
