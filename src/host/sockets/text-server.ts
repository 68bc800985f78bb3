/** Serves one text by HTTP, at an address or a unix socket. */
import { lstatSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { Listen } from './listen.js'

/** A text that is made anew for whoever asks, at most once a second. */
export interface ServedText {
  readonly path: string
  readonly contentType: string
  make(): Promise<string>
}

/** Two that ask at the same time get one text. */
const CACHE_MS = 1_000
/** For a peer that sends its question slowly. */
const PEER_TIMEOUT_MS = 5_000
const MAX_CONNECTIONS = 16

/** Listens. @throws Error of the kernel, such as EADDRINUSE */
export async function serveText(listen: Listen, { path, contentType, make }: ServedText): Promise<Disposable> {
  let known: { readonly atMs: number; readonly text: Promise<string> } | undefined
  const fresh = (): Promise<string> => {
    const now = performance.now()
    if (!known || now - known.atMs >= CACHE_MS) {
      known = { atMs: now, text: make() }
    }
    return known.text
  }
  const server: Server = createServer((request, response) => {
    const [asked] = (request.url ?? '').split('?')
    if (request.method !== 'GET' || asked !== path) {
      response.writeHead(asked === path ? 405 : 404).end()
      return
    }
    fresh().then(
      (text) => response.writeHead(200, { 'content-type': contentType }).end(text),
      () => response.writeHead(500).end(),
    )
  })
  server.headersTimeout = PEER_TIMEOUT_MS
  server.requestTimeout = PEER_TIMEOUT_MS
  server.maxConnections = MAX_CONNECTIONS
  if ('path' in listen && lstatSync(listen.path, { throwIfNoEntry: false })?.isSocket()) {
    // One that a killed process left: the caller holds a lock, so nobody listens there. Anything else stays: EADDRINUSE.
    rmSync(listen.path)
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(listen, resolve)
  })
  server.unref()
  return {
    [Symbol.dispose]() {
      server.close()
      server.closeAllConnections()
    },
  }
}
