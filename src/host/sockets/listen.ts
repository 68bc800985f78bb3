import { isIP } from 'node:net'

/** Where to serve: a port of an address, or a unix socket. */
export type Listen = { readonly host: string; readonly port: number } | { readonly path: string }

const PORT = /^(.*):(\d{1,5})$/

/** `127.0.0.1:9808`, `[::1]:9808`, or the absolute path of a socket; undefined for anything else. */
export function parseListen(text: string): Listen | undefined {
  if (text.startsWith('/')) {
    return { path: text }
  }
  const [, address = '', port] = PORT.exec(text) ?? []
  const host = address.replace(/^\[(.*)\]$/, '$1')
  return isIP(host) !== 0 && Number(port) > 0 && Number(port) < 65_536 ? { host, port: Number(port) } : undefined
}
