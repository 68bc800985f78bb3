import { execFileSync } from 'node:child_process'
import { chmodSync, fstatSync, statSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { missingCapability, TestNamespaces } from '../netns.js'
import { start } from './installation.js'
import { descriptors, done, echo, request, ServerUnderTest } from './server-under-test.js'

const namespaces = new TestNamespaces()
const NOBODY = ['setpriv', '--reuid', '65534', '--clear-groups']
const LIMIT = { timeout: 20_000 }
const missing = missingCapability()

let under: ServerUnderTest

beforeAll(async () => {
  if (!missing) {
    under = await ServerUnderTest.make()
  }
}, 120_000)

beforeEach(() => under?.start())

afterEach(() => under?.end())

afterAll(() => {
  namespaces.removeAll()
  under?.remove()
})

/** The launcher's own error: there is no plugin that it could start. */
const NOT_ANSWERED = /^\{"code":111,/

describe.skipIf(missing)(`startServer() (${missing ?? 'can run here'})`, () => {
  test('answers a launcher', LIMIT, async () => {
    expect(await under.launch('{"x":1}').done).toMatchObject({ exitCode: 0, stdout: '{"x":1}' })
  })

  test('answers 300 launchers at once', LIMIT, async () => {
    const texts = Array.from({ length: 300 }, (_, i) => `call ${i}`)
    count('calls at once', texts.length)
    const answers = await Promise.all(texts.map((text) => under.launch(text).done))
    expect(answers.map(({ stdout }) => stdout)).toEqual(texts)
  })

  test('gives the namespace that the launcher has opened, and closes it', LIMIT, async () => {
    const pod = namespaces.add()
    const before = descriptors()
    under.serve = async ({ netnsFd }) => done(String(fstatSync(netnsFd ?? -1).ino))
    expect((await under.launch('', { netns: pod.path }).done).stdout).toBe(String(statSync(pod.path).ino))
    under.serve = async ({ netnsFd }) => done(String(netnsFd))
    expect((await under.launch('', { netns: '/run/netns/none' }).done).stdout).toBe('undefined')
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
      start('/usr/bin/python3', ['-c', script, under.path, ...parts.map((part) => part.toString('hex'))]).done
    expect((await send(frame)).stdout).toContain('SRI1')
    expect((await send(frame.subarray(0, 40), frame.subarray(40))).stdout).toBe("b''\n")
    expect(under.lines.join()).toContain('has a descriptor in its middle')
    await expect.poll(descriptors).toBe(before)
  })

  test('knows that a launcher was killed', LIMIT, async () => {
    let release: (() => void) | undefined
    const seen: boolean[] = []
    under.serve = async ({ isGone }) => {
      seen.push(isGone())
      await new Promise<void>((resolve) => {
        release = resolve
      })
      seen.push(isGone())
      return done('nobody reads this')
    }
    const running = under.launch('{}')
    await expect.poll(() => release).toBeDefined()
    running.child.kill('SIGTERM')
    expect((await running.done).signal).toBe('SIGTERM')
    release?.()
    await expect.poll(() => seen).toEqual([false, true])
    under.serve = echo
    expect((await under.launch('still here').done).stdout).toBe('still here')
  })

  test('closes on a launcher whose call throws, and says so', LIMIT, async () => {
    under.serve = async () => {
      throw new Error('not foreseen')
    }
    expect((await under.launch('{}').done).stdout).toMatch(NOT_ANSWERED)
    expect(under.lines.join()).toMatch(/a call was not carried out.*not foreseen/)
    under.serve = echo
    expect((await under.launch('still here').done).stdout).toBe('still here')
  })

  test('does not begin a call whose launcher has given it up', LIMIT, async () => {
    let begun = 0
    under.serve = async () => {
      begun += 1
      return done('')
    }
    const script = `import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(bytes.fromhex(sys.argv[2]))`
    // This process is the server: it does not look while the client runs.
    execFileSync('/usr/bin/python3', ['-c', script, under.path, request('{}').toString('hex')])
    await under.launch('{}').done
    expect(begun).toBe(1)
  })

  test('leaves calls from another network namespace to their launcher', LIMIT, async () => {
    const { exitCode, stdout } = await under.launch('{}', { within: ['unshare', '--net'] }).done
    expect(exitCode).not.toBe(0)
    expect(stdout).toMatch(NOT_ANSWERED)
    expect(under.lines.join()).toContain('another network namespace')
  })

  test('closes on another user at once', LIMIT, async () => {
    chmodSync(under.path, 0o666)
    const script = `import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    print(s.recv(100))
except ConnectionResetError:
    print("b''")`
    const { stdout } = await start('/usr/bin/python3', ['-c', script, under.path], { within: NOBODY }).done
    expect(stdout).toBe("b''\n")
    expect(under.lines.join()).toMatch(/another user was refused.*65534/)
  })

  test('lets nobody else connect', () => {
    expect(statSync(under.path).mode & 0o777).toBe(0o600)
  })
})

describe.skipIf(missing)(`startServer().drain() (${missing ?? 'can run here'})`, () => {
  test('lets a call under way end, and takes no other', LIMIT, async () => {
    const { isHeld, release } = under.holdCalls()
    const running = under.launch('under way')
    await expect.poll(isHeld).toBe(true)
    const drained = under.drain(5_000)
    await expect(under.client()).rejects.toThrow('ENOENT')
    expect((await under.launch('too late').done).stdout).toMatch(NOT_ANSWERED)
    release()
    expect((await running.done).stdout).toBe('under way')
    expect(await drained).toBe(0)
  })

  test('gives up on a call that does not end, and its launcher hears of it at once', LIMIT, async () => {
    const { isHeld, release } = under.holdCalls()
    const running = under.launch('{}')
    await expect.poll(isHeld).toBe(true)
    expect(await under.drain(50)).toBe(1)
    expect((await running.done).stdout).toMatch(NOT_ANSWERED)
    release()
  })
})
