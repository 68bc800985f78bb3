/** One question and one answer over a unix stream socket. */
import { existsSync } from 'node:fs'
import { connect } from 'node:net'

/** `absent`: nobody listens. `hung`: no byte came in time. */
export type Exchanged = 'answered' | 'absent' | 'hung'

const connectAndAsk = (path: string, bytes: Buffer, timeoutMs: number): Promise<Exchanged> =>
  new Promise((resolve) => {
    const socket = connect(path)
    const end = (result: Exchanged) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(result)
    }
    const timer = setTimeout(() => end('hung'), timeoutMs)
    socket.once('connect', () => socket.write(bytes))
    socket.once('data', () => end('answered'))
    socket.once('error', () => end('absent'))
    // A process that does not want a request closes the connection: it is alive.
    socket.once('close', () => end('answered'))
  })

/** Sends bytes to a socket and waits for the first byte of the answer. Never fails. Where there is no socket, node:net is not loaded. */
export const exchange = async (path: string, bytes: Buffer, timeoutMs: number): Promise<Exchanged> =>
  existsSync(path) ? connectAndAsk(path, bytes, timeoutMs) : 'absent'
