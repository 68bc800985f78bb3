import { execFileSync } from 'node:child_process'
import { chmodSync, fstatSync, mkdirSync, readdirSync, statSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { encodeRequest, type Result } from '../../../src/daemon/protocol.js'
import { type Accepted, type Server, startServer } from '../../../src/daemon/server.js'
import { realClock } from '../../../src/host/clock.js'
import type { Log } from '../../../src/host/ports.js'
import { listenAt } from '../../../src/host/unix-sockets.js'
import { count } from '../../counts.js'
import { addon, kernel, missingCapability, TestNamespaces } from '../netns.js'
import { cniEnvironment, type Installation, install, type StartOptions, start } from './installation.js'

const LIMIT = { timeout: 20_000 }
const PEER_TIMEOUT_MS = 400
const missing = missingCapability()
const namespaces = new TestNamespaces()
const NOBODY = ['setpriv', '--reuid', '65534', '--clear-groups']

let installation: Installation
let path = ''
let server: Server
let lines: string[] = []
/** What the calls of a test do. */
let serve: (accepted: Accepted) => Promise<Result>

const done = (stdout: string): Result => ({ exitCode: 0, stdout, stderr: '' })
const echo = async ({ request }: Accepted) => done(request.stdin)

function ownNetns() {
  const own = kernel().ownNetns()
  own.close()
  return own.id
}

beforeAll(async () => {
  if (!missing) {
    installation = await install({ hasOneShot: false })
    chmodSync(installation.folder, 0o755)
    path = installation.socket
    mkdirSync(dirname(path))
  }
}, 120_000)

beforeEach(() => {
  const note = (message: string, facts?: object) => void lines.push(`${message} ${JSON.stringify(facts ?? {})}`)
  const log: Log = { error: note, warning: note, info: note, debug: note }
  serve = echo
  lines = []
  server = startServer({
    listener: listenAt(addon(), path),
    serve: (accepted) => serve(accepted),
    ownUid: 0,
    ownNetns: ownNetns(),
    clock: realClock,
    log,
    peerTimeoutMs: PEER_TIMEOUT_MS,
  })
})

afterEach(() => server.drain(5_000).then((left) => expect(left).toBe(0)))

afterAll(() => {
  namespaces.removeAll()
  installation?.remove()
})

const launch = (stdin: string, { within = [], netns = '' }: StartOptions & { readonly netns?: string } = {}) =>
  start(installation.plugin, [], {
    env: cniEnvironment('ADD', { SRIOV_CNI_SOCKET: path, CNI_NETNS: netns }),
    stdin,
    within,
  })

const request = (stdin: string) =>
  encodeRequest({ callerNetns: ownNetns(), environment: { CNI_COMMAND: 'ADD' }, stdin })

/** A raw connection that has sent some bytes. */
function client(...parts: Buffer[]): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => {
      for (const part of parts) {
        socket.write(part)
      }
      resolve(socket)
    })
    socket.once('error', reject)
    socket.on('error', () => undefined)
  })
}

/** How long the server lets a connection be. */
const untilClosed = (socket: Socket) =>
  new Promise<number>((resolve) => {
    const began = performance.now()
    if (socket.destroyed) {
      resolve(0)
    }
    socket.resume()
    socket.once('close', () => resolve(performance.now() - began))
  })

const descriptors = () => readdirSync('/proc/self/fd').length

describe.skipIf(missing)(`startServer() (${missing ?? 'can run here'})`, () => {
  test('answers a launcher', LIMIT, async () => {
    expect(await launch('{"x":1}').done).toMatchObject({ exitCode: 0, stdout: '{"x":1}' })
  })

  test('answers 300 launchers at once', LIMIT, async () => {
    const texts = Array.from({ length: 300 }, (_, i) => `call ${i}`)
    count('calls at once', texts.length)
    const answers = await Promise.all(texts.map((text) => launch(text).done))
    expect(answers.map(({ stdout }) => stdout)).toEqual(texts)
  })

  test('gives the namespace that the launcher has opened, and closes it', LIMIT, async () => {
    const pod = namespaces.add()
    const before = descriptors()
    serve = async ({ netnsFd }) => done(String(fstatSync(netnsFd ?? -1).ino))
    expect((await launch('', { netns: pod.path }).done).stdout).toBe(String(statSync(pod.path).ino))
    serve = async ({ netnsFd }) => done(String(netnsFd))
    expect((await launch('', { netns: '/run/netns/none' }).done).stdout).toBe('undefined')
    await expect.poll(descriptors).toBe(before)
  })

  test('takes one descriptor and leaves none open, however many a client sends', LIMIT, async () => {
    const before = descriptors()
    const script = `import os, socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
fds = [os.open('/dev/null', 0) for _ in range(8)]
for part in sys.argv[2:]:
    socket.send_fds(s, [bytes.fromhex(part)], fds)
    time.sleep(0.05)
print(s.recv(100)[:4])`
    const frame = request('x')
    const send = (...parts: Buffer[]) =>
      start('/usr/bin/python3', ['-c', script, path, ...parts.map((part) => part.toString('hex'))]).done
    expect((await send(frame)).stdout).toContain('SRI1')
    expect((await send(frame.subarray(0, 40), frame.subarray(40))).stdout).toBe("b''\n")
    expect(lines.join()).toContain('has a descriptor in its middle')
    await expect.poll(descriptors).toBe(before)
  })

  test('knows that a launcher was killed', LIMIT, async () => {
    let release: (() => void) | undefined
    const seen: boolean[] = []
    serve = async ({ isGone }) => {
      seen.push(isGone())
      await new Promise<void>((resolve) => {
        release = resolve
      })
      seen.push(isGone())
      return done('nobody reads this')
    }
    const running = launch('{}')
    await expect.poll(() => release).toBeDefined()
    running.child.kill('SIGTERM')
    expect((await running.done).signal).toBe('SIGTERM')
    release?.()
    await expect.poll(() => seen).toEqual([false, true])
    serve = echo
    expect((await launch('still here').done).stdout).toBe('still here')
  })

  test('does not begin a call whose launcher has given it up', LIMIT, async () => {
    let begun = 0
    serve = async () => {
      begun += 1
      return done('')
    }
    const script = `import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(bytes.fromhex(sys.argv[2]))`
    // This process is the server: it does not look while the client runs.
    execFileSync('/usr/bin/python3', ['-c', script, path, request('{}').toString('hex')])
    await launch('{}').done
    expect(begun).toBe(1)
  })

  test('leaves calls from another network namespace to their launcher', LIMIT, async () => {
    const { exitCode, stdout } = await launch('{}', { within: ['unshare', '--net'] }).done
    expect(exitCode).not.toBe(0)
    expect(stdout).toBe('')
    expect(lines.join()).toContain('another network namespace')
  })

  test('closes on another user at once', LIMIT, async () => {
    chmodSync(path, 0o666)
    const script = `import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    print(s.recv(100))
except ConnectionResetError:
    print("b''")`
    const { stdout } = await start('/usr/bin/python3', ['-c', script, path], { within: NOBODY }).done
    expect(stdout).toBe("b''\n")
    expect(lines.join()).toMatch(/another user was refused.*65534/)
  })

  test('lets nobody else connect', () => {
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })
})

describe.skipIf(missing)(`startServer() with clients that misbehave (${missing ?? 'can run here'})`, () => {
  const huge = Buffer.from(request(''))
  huge.writeUInt32LE(100_000_000, 8)

  test.each([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a frame of 100 MB', Buffer.concat([huge, Buffer.alloc(1_000_000)])],
    ['more than its frame', Buffer.concat([request('x'), Buffer.from('y')])],
  ])('closes at once after %s', LIMIT, async (_name, bytes) => {
    expect(await untilClosed(await client(bytes))).toBeLessThan(PEER_TIMEOUT_MS)
    expect(lines.join()).toContain('a request was refused')
  })

  test('closes on a client that never finishes, or says nothing', LIMIT, async () => {
    const slow = await Promise.all([client(), client(request('x').subarray(0, 50))])
    expect((await launch('meanwhile').done).stdout).toBe('meanwhile')
    for (const ms of await Promise.all(slow.map(untilClosed))) {
      expect(ms).toBeLessThan(PEER_TIMEOUT_MS * 5)
    }
  })

  test('closes on a client that never reads its answer', LIMIT, async () => {
    serve = async () => done('x'.repeat(5_000_000))
    const deaf = await client(request('x'))
    deaf.pause()
    await expect.poll(() => lines.join(), { timeout: 5_000 }).toContain('did not take its answer')
    serve = echo
    expect((await launch('meanwhile').done).stdout).toBe('meanwhile')
    deaf.destroy()
  })

  test('bounds what requests may hold together', LIMIT, async () => {
    const large = encodeRequest({ callerNetns: ownNetns(), environment: {}, stdin: 'x'.repeat(4_000_000) })
    const before = process.memoryUsage().rss
    const many = await Promise.all(Array.from({ length: 40 }, () => client(large.subarray(0, 40))))
    await expect.poll(() => lines.join()).toContain('too large beside the others')
    expect(process.memoryUsage().rss - before).toBeLessThan(64e6)
    expect((await launch('meanwhile').done).stdout).toBe('meanwhile')
    await Promise.all(many.map(untilClosed))
  })

  test('takes 256 connections at once, and the others in their turn', LIMIT, async () => {
    const before = descriptors()
    const idle = await Promise.all(Array.from({ length: 300 }, () => client()))
    await realClock.sleep(50)
    expect(descriptors() - before).toBeLessThanOrEqual(300 + 256)
    expect((await launch('after them').done).stdout).toBe('after them')
    await Promise.all(idle.map(untilClosed))
    await expect.poll(descriptors).toBe(before)
  })

  test('does not flood its log', LIMIT, async () => {
    for (let i = 0; i < 100; i += 1) {
      await untilClosed(await client(Buffer.from(`garbage ${i}`)))
    }
    expect(lines).toHaveLength(1)
  })
})

describe.skipIf(missing)(`startServer().drain() (${missing ?? 'can run here'})`, () => {
  test('lets a call under way end, and takes no other', LIMIT, async () => {
    let release: (() => void) | undefined
    serve = async ({ request: { stdin } }) => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return done(stdin)
    }
    const running = launch('under way')
    await expect.poll(() => release).toBeDefined()
    const drained = server.drain(5_000)
    await expect(client()).rejects.toThrow('ECONNREFUSED')
    expect((await launch('too late').done).stdout).toBe('')
    release?.()
    expect((await running.done).stdout).toBe('under way')
    expect(await drained).toBe(0)
    server = startServer({
      listener: listenAt(addon(), join(dirname(path), 'other.sock')),
      serve: echo,
      ownUid: 0,
      ownNetns: ownNetns(),
      clock: realClock,
      log: { error: () => undefined, warning: () => undefined, info: () => undefined, debug: () => undefined },
    })
  })

  test('gives up on a call that does not end', LIMIT, async () => {
    let release: (() => void) | undefined
    serve = async () => {
      await new Promise<void>((resolve) => {
        release = resolve
      })
      return done('')
    }
    const running = launch('{}')
    await expect.poll(() => release).toBeDefined()
    const first = server
    expect(await first.drain(50)).toBe(1)
    release?.()
    await running.done
    server = { drain: async () => 0 }
  })
})
