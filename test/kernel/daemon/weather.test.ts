import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ACKNOWLEDGEMENT, decodeRequest, encodeResult, PROTOCOL_VERSION } from '../../../src/daemon/protocol.js'
import { missingCapability } from '../netns.js'
import { FakeResident } from './fake-resident.js'
import { type Installation, install, type Output, type Running, replacePlugin, start } from './installation.js'

const LIMIT = { timeout: 60_000 }
const missing = missingCapability()
const STDIN = JSON.stringify({ cniVersion: '1.0.0', name: 'n', type: 'sriov', deviceID: 'ffff:01:10.0' })

let installation: Installation
let folder = ''
let resident: FakeResident

beforeAll(async () => {
  if (!missing) {
    installation = await install({ isSanitized: true })
    // Says what it was called with.
    const program = `begun()
      const stdin = readFileSync(0)
      process.stdout.write(JSON.stringify({ oneShot: process.env.CALLER_CNI_COMMAND, bytes: stdin.length, again: process.env.SRIOV_CNI_AGAIN }))
      process.stderr.write(require('node:crypto').createHash('sha256').update(stdin).digest('hex'))
      answered(3)`
    replacePlugin(installation.folder, program)
    folder = mkdtempSync(join(installation.folder, 'sockets-'))
    resident = new FakeResident(folder)
  }
}, 120_000)

afterEach(() => resident?.end())

afterAll(() => installation?.remove())

const call = (socket: string, { stdin = STDIN as string | Buffer, within = [] as string[], verb = 'ADD' } = {}) =>
  start(installation.plugin, [], {
    env: { CNI_COMMAND: verb, CNI_NETNS: '/proc/self/ns/net', SRIOV_CNI_SOCKET: socket },
    stdin,
    within,
  }).done

function expectOneShot(output: Output, stdin: string | Buffer = STDIN, again = false) {
  expect({ ...output, stdout: output.stdout.replace(/"again":"\d{13}"/, '"again":"since then"') }).toEqual({
    exitCode: 3,
    signal: null,
    stdout: JSON.stringify({
      oneShot: 'ADD',
      bytes: Buffer.byteLength(stdin),
      ...(again && { again: 'since then' }),
    }),
    stderr: createHash('sha256').update(stdin).digest('hex'),
  })
}

const RESULT = encodeResult({ exitCode: 7, stdout: '{"a":1}\n', stderr: 'said\n' })

describe.skipIf(missing)(`the launcher (${missing ?? 'can run here'})`, () => {
  test('prints the answer and sends what it was given', LIMIT, async () => {
    let request: ReturnType<typeof decodeRequest> | undefined
    const socket = await resident.afterRequest((peer, frame) => {
      request = decodeRequest(frame)
      peer.end(Buffer.concat([ACKNOWLEDGEMENT, RESULT]))
    })
    expect(await call(socket)).toEqual({ exitCode: 7, signal: null, stdout: '{"a":1}\n', stderr: 'said\n' })
    expect(request?.stdin).toBe(STDIN)
    expect(request?.environment).toMatchObject({ CNI_COMMAND: 'ADD', CNI_NETNS: '/proc/self/ns/net' })
  })

  test('takes an answer in single bytes, after a long while', LIMIT, async () => {
    const socket = await resident.afterRequest(async (peer) => {
      peer.write(ACKNOWLEDGEMENT)
      await new Promise((resolve) => setTimeout(resolve, 2_500))
      for (const byte of RESULT) {
        peer.write(Buffer.of(byte))
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
    })
    expect(await call(socket)).toMatchObject({ exitCode: 7, stdout: '{"a":1}\n', stderr: 'said\n' })
  })

  test('prints an answer of 5 MB', LIMIT, async () => {
    const stdout = 'x'.repeat(5_000_000)
    const socket = await resident.afterRequest((peer) =>
      peer.end(Buffer.concat([ACKNOWLEDGEMENT, encodeResult({ exitCode: 0, stdout, stderr: '' })])),
    )
    expect((await call(socket)).stdout).toBe(stdout)
  })

  test('sends a configuration of 1 MB', LIMIT, async () => {
    const stdin = 'y'.repeat(1_000_000)
    let received = ''
    const socket = await resident.afterRequest((peer, frame) => {
      received = decodeRequest(frame).stdin
      peer.end(Buffer.concat([ACKNOWLEDGEMENT, RESULT]))
    })
    expect(await call(socket, { stdin })).toMatchObject({ exitCode: 7 })
    expect(received).toBe(stdin)
  })
})

const garbage = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: yyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n')
const otherVersion = (() => {
  const frame = Buffer.from(ACKNOWLEDGEMENT)
  frame.writeUInt32LE(PROTOCOL_VERSION + 1, 4)
  return frame
})()
const tooLong = (() => {
  const frame = Buffer.from(RESULT)
  frame.writeUInt32LE(0xffff_ffff, 8)
  return frame
})()
const contradiction = (() => {
  const frame = Buffer.from(RESULT)
  frame.writeUInt32LE(1000, 20)
  return frame
})()

describe.skipIf(missing)(`the launcher does without the resident process (${missing ?? 'can run here'})`, () => {
  test('when there is no socket, or none is wanted', LIMIT, async () => {
    expectOneShot(await call(join(folder, 'none.sock')))
    expectOneShot(await call(''))
    expectOneShot(await call(`/${'x'.repeat(200)}`))
  })

  test('when the path is a file, a folder, or a socket of nobody', LIMIT, async () => {
    writeFileSync(join(folder, 'file'), '')
    mkdirSync(join(folder, 'folder'))
    const stale = await resident.behaving(() => undefined)
    execFileSync('cp', ['-a', stale, join(folder, 'stale.sock')])
    for (const name of ['file', 'folder', 'stale.sock']) {
      expectOneShot(await call(join(folder, name)))
    }
  })

  test('when the server closes at once', LIMIT, async () => {
    expectOneShot(await call(await resident.behaving((peer) => peer.destroy())))
  })

  test('when the server closes after the request', LIMIT, async () => {
    expectOneShot(await call(await resident.afterRequest((peer) => peer.destroy())))
  })

  test.each([
    ['garbage', garbage],
    ['another version', otherVersion],
    ['a result without an acknowledgement', RESULT],
    ['half an acknowledgement', ACKNOWLEDGEMENT.subarray(0, 9)],
  ])('when the server answers with %s', LIMIT, async (_name, bytes) => {
    expectOneShot(await call(await resident.afterRequest((peer) => peer.end(bytes))))
  })

  test.each([
    ['nothing', Buffer.alloc(0)],
    ['garbage', garbage],
    ['half a result', RESULT.subarray(0, RESULT.length - 1)],
    ['a result of 4 GB', tooLong],
    ['a result that contradicts itself', contradiction],
    ['a second acknowledgement', ACKNOWLEDGEMENT],
  ])('when the server dies after its acknowledgement and %s', LIMIT, async (_name, bytes) => {
    const socket = await resident.afterRequest((peer) => peer.end(Buffer.concat([ACKNOWLEDGEMENT, bytes])))
    expectOneShot(await call(socket), STDIN, true)
  })

  test.each(['a server that reads and does not answer', 'a server that does not read'])(
    'after two seconds with %s',
    LIMIT,
    async (kind) => {
      const socket = await (kind.includes('not read')
        ? resident.behaving((peer) => peer.pause())
        : resident.afterRequest(() => undefined))
      const stdin = 'z'.repeat(1_000_000)
      const began = performance.now()
      expectOneShot(await call(socket, { stdin }), stdin)
      expect(performance.now() - began).toBeGreaterThan(1_900)
      expect(performance.now() - began).toBeLessThan(8_000)
    },
  )

  test.each([5_000_000, 1024 * 1024, 1024 * 1024 - 200, 0])(
    'with %i bytes of stdin, all of them handed on',
    LIMIT,
    async (size) => {
      const stdin = Buffer.alloc(size, 'abcdefghijk')
      expectOneShot(await call(await resident.afterRequest((peer) => peer.destroy()), { stdin }), stdin)
    },
  )
})

describe.skipIf(missing)(`the launcher and users (${missing ?? 'can run here'})`, () => {
  const NOBODY = ['setpriv', '--reuid', '65534', '--clear-groups']
  const SERVER = `const server = require('node:net').createServer((socket) =>
      socket.once('data', () => socket.end(Buffer.from(process.argv[2], 'hex'))))
    process.umask(0)
    server.listen(process.argv[1], () => console.log('listening'))`
  let path = ''
  let other: Running

  beforeAll(async () => {
    path = join(folder, 'nobody.sock')
    chmodSync(installation.folder, 0o755)
    chmodSync(folder, 0o777)
    const answer = Buffer.concat([ACKNOWLEDGEMENT, RESULT]).toString('hex')
    other = start(process.execPath, ['-e', SERVER, path, answer], { within: NOBODY, env: { PATH: '/usr/bin' } })
    await new Promise((resolve) => other.child.stdout?.once('data', resolve))
  })

  afterAll(async () => {
    other.child.kill('SIGKILL')
    await other.done
  })

  test('root does without the server of another user', LIMIT, async () => {
    expectOneShot(await call(path))
  })

  test('a user has the answer of a server of its own, and of root', LIMIT, async () => {
    expect(await call(path, { within: NOBODY })).toMatchObject({ exitCode: 7 })
    const ofRoot = await resident.afterRequest((peer) => peer.end(Buffer.concat([ACKNOWLEDGEMENT, RESULT])))
    chmodSync(ofRoot, 0o666)
    expect(await call(ofRoot, { within: NOBODY })).toMatchObject({ exitCode: 7 })
  })
})
