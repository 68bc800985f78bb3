import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { realClock } from '../../../src/host/clock.js'
import { missingCapability } from '../netns.js'
import { descriptors, done, echo, PEER_TIMEOUT_MS, request, ServerUnderTest, untilClosed } from './server-under-test.js'

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

afterAll(() => under?.remove())

describe.skipIf(missing)(`startServer() with clients that misbehave (${missing ?? 'can run here'})`, () => {
  const huge = Buffer.from(request(''))
  huge.writeUInt32LE(100_000_000, 8)

  test.each([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
    ['a frame of 100 MB', Buffer.concat([huge, Buffer.alloc(1_000_000)])],
    ['a configuration that is not UTF-8', Buffer.concat([request('x').subarray(0, -1), Buffer.from([0xff])])],
    ['more than its frame', Buffer.concat([request('x'), Buffer.from('y')])],
  ])('closes at once after %s', LIMIT, async (_name, bytes) => {
    expect(await untilClosed(await under.client(bytes))).toBeLessThan(PEER_TIMEOUT_MS)
    expect(under.lines.join()).toContain('a request was refused')
  })

  test('closes on a client that never finishes, or says nothing', LIMIT, async () => {
    const slow = await Promise.all([under.client(), under.client(request('x').subarray(0, 50))])
    expect((await under.launch('meanwhile').done).stdout).toBe('meanwhile')
    for (const ms of await Promise.all(slow.map(untilClosed))) {
      expect(ms).toBeLessThan(PEER_TIMEOUT_MS * 5)
    }
  })

  test('closes on a client that never reads its answer', LIMIT, async () => {
    under.serve = async () => done('x'.repeat(5_000_000))
    const deaf = await under.client(request('x'))
    deaf.pause()
    await expect.poll(() => under.lines.join(), { timeout: 5_000 }).toContain('did not take its answer')
    under.serve = echo
    expect((await under.launch('meanwhile').done).stdout).toBe('meanwhile')
    deaf.destroy()
  })

  test('bounds what requests may hold together', LIMIT, async () => {
    const large = request('x'.repeat(900_000))
    const before = process.memoryUsage().rss
    const many = await Promise.all(Array.from({ length: 40 }, () => under.client(large.subarray(0, 40))))
    await expect.poll(() => under.lines.join()).toContain('too large beside the others')
    expect(process.memoryUsage().rss - before).toBeLessThan(64e6)
    expect((await under.launch('meanwhile').done).stdout).toBe('meanwhile')
    await Promise.all(many.map(untilClosed))
  })

  test('takes 256 connections at once, and the others in their turn', LIMIT, async () => {
    const before = descriptors()
    const idle = await Promise.all(Array.from({ length: 300 }, () => under.client()))
    await realClock.sleep(50)
    expect(descriptors() - before).toBeLessThanOrEqual(300 + 256)
    expect((await under.launch('after them').done).stdout).toBe('after them')
    await Promise.all(idle.map(untilClosed))
    await expect.poll(descriptors).toBe(before)
  })

  test('does not flood its log', LIMIT, async () => {
    for (let i = 0; i < 100; i += 1) {
      await untilClosed(await under.client(Buffer.from(`garbage ${i}`)))
    }
    expect(under.lines).toHaveLength(1)
  })
})
