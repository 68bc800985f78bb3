import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { requestStart } from '../../../src/daemon/protocol.js'

/** A resident process that does as it is told with every connection; at one path in a folder. */
export class FakeResident {
  readonly #path: string
  readonly #peers = new Set<Socket>()
  #server: Server | undefined

  constructor(folder: string) {
    this.#path = join(folder, 'fake.sock')
  }

  /** Listens, and returns where. */
  behaving(onConnection: (socket: Socket) => void): Promise<string> {
    return new Promise((resolve) => {
      this.#server = createServer((socket) => {
        socket.on('error', () => undefined)
        this.#peers.add(socket)
        onConnection(socket)
      }).listen(this.#path, () => resolve(this.#path))
    })
  }

  /** The same, after the whole request was read. */
  afterRequest(act: (socket: Socket, frame: Buffer) => void): Promise<string> {
    return this.behaving((socket) => {
      let bytes = Buffer.alloc(0)
      socket.on('data', (chunk) => {
        bytes = Buffer.concat([bytes, chunk])
        const begun = requestStart(bytes)
        if (begun.kind === 'frame' && begun.length === bytes.length) {
          act(socket, bytes)
        }
      })
    })
  }

  async end(): Promise<void> {
    for (const peer of this.#peers) {
      peer.destroy()
    }
    this.#peers.clear()
    await new Promise<void>((resolve) => (this.#server ? this.#server.close(() => resolve()) : resolve()))
    this.#server = undefined
  }
}
