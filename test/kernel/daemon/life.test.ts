import { execFileSync } from 'node:child_process'
import { closeSync, existsSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { ACKNOWLEDGEMENT } from '../../../src/daemon/protocol.js'
import { count } from '../../counts.js'
import { missingCapability, TestNamespaces } from '../netns.js'
import { type Daemon, type Installation, install, type Output, start, startDaemon, succeeded } from './installation.js'
import { interfacesOf, makeNode, type TestNode } from './node.js'

const LIMIT = { timeout: 60_000 }
const GATED = { ipam: { type: 'gated' } }
const ALL = ['vf0', 'vf1', 'vf2', 'vf3']
const KILLS = 24
const missing = missingCapability()
const namespaces = new TestNamespaces()

let installation: Installation
let node: TestNode
let daemon: Daemon

const startHere = () => startDaemon(installation, { within: node.within })

beforeAll(async () => {
  if (!missing) {
    installation = await install()
    node = await makeNode(installation)
  }
}, 60_000)

beforeEach(async () => {
  daemon = await startHere()
})

afterEach(async () => {
  node.releaseIpam()
  daemon.child.kill('SIGCONT')
  await daemon.stop('SIGKILL')
})

afterAll(() => {
  node?.remove()
  namespaces.removeAll()
  installation?.remove()
})

/** A pod with a device, by a call that waits in its IPAM plugin. */
function waitingAdd(device: string) {
  const pod = namespaces.add()
  const options = { container: pod.name, netns: pod.path, device, conf: GATED }
  const before = node.ipamCalls().length
  node.holdIpam()
  const running = node.call('ADD', options)
  const begun = expect.poll(() => node.ipamCalls().length, { timeout: 10_000 }).toBeGreaterThan(before)
  return { pod, options, running, begun }
}

async function expectGivenBack(options: Parameters<TestNode['call']>[1]) {
  expect(succeeded(await node.call('DEL', options).done)).toMatchObject({ stdout: '' })
  expect(node.interfaces()).toEqual(ALL)
}

const said = ({ stderr }: Output) => stderr

describe.skipIf(missing)(`sriovctl daemon (${missing ?? 'can run here'})`, () => {
  test('is refused while another is at work, which it names', LIMIT, async () => {
    const { exitCode, stderr } = await start(installation.sriovctl, ['daemon', '--socket', installation.socket]).done
    expect(exitCode).toBe(1)
    expect(stderr).toMatch(new RegExp(`at work here already.*process ${daemon.child.pid}|process \\d+`))
    const { stdout } = await node.call('VERSION', { container: '', netns: '' }).done
    expect(stdout).toContain('supportedVersions')
  })

  test('replaces the socket of one that was killed', LIMIT, async () => {
    await daemon.stop('SIGKILL')
    expect(existsSync(installation.socket)).toBe(true)
    daemon = await startHere()
    expect((await node.call('VERSION', { container: '', netns: '' }).done).exitCode).toBe(0)
  })

  test.each(['SIGTERM', 'SIGINT'] as const)(
    'ends what is under way after %s, while others do without it',
    LIMIT,
    async (signal) => {
      const [device = '', other = ''] = node.devices
      const { pod, options, running, begun } = waitingAdd(device)
      await begun
      daemon.child.kill(signal)
      await expect.poll(() => existsSync(installation.socket)).toBe(false)
      const second = namespaces.add()
      const alone = { container: second.name, netns: second.path, device: other }
      succeeded(await node.call('ADD', alone).done)
      node.releaseIpam()
      succeeded(await running.done)
      succeeded(await daemon.done)
      expect(interfacesOf(pod.name)).toEqual(['net1'])
      await node.call('DEL', alone).done
      await expectGivenBack(options)
    },
  )

  test('ends when an upgrade has replaced its release', LIMIT, async () => {
    installation.upgrade()
    const ended = await daemon.done
    expect(ended.exitCode).toBe(0)
    expect(said(ended)).toContain('another version is installed')
    daemon = await startHere()
    expect((await node.call('VERSION', { container: '', netns: '' }).done).exitCode).toBe(0)
  })

  test('ends when drivers do not return from four writes, for the next one to have all threads', LIMIT, async () => {
    const fifos = [0, 1, 2, 3].map((index) => join(installation.folder, `stuck-${index}`))
    execFileSync('mkfifo', fifos)
    // 64 KiB fill a pipe; the rest waits for a reader.
    const readers = fifos.map((fifo) => openSync(fifo, 'r+'))
    const stuckAre = (paths: readonly string[]) =>
      writeFileSync(join(installation.folder, '.sriov/current/stuck'), paths.join('\n'))
    stuckAre(fifos.slice(0, 3))
    daemon.child.kill('SIGUSR2')
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    expect((await node.call('VERSION', { container: '', netns: '' }).done).exitCode).toBe(0)
    expect(daemon.child.exitCode).toBeNull()
    stuckAre(fifos.slice(3))
    daemon.child.kill('SIGUSR2')
    const ended = await daemon.done
    // Not 0: the service manager starts it again.
    expect(ended.exitCode).toBe(1)
    expect(said(ended)).toContain('drivers do not return from 4 writes to sysfs')
    for (const reader of readers) {
      closeSync(reader)
    }
    daemon = await startHere()
    expect((await node.call('VERSION', { container: '', netns: '' }).done).exitCode).toBe(0)
  })

  test('ends when nobody finds its socket any more, and leaves that of another alone', LIMIT, async () => {
    rmSync(dirname(installation.socket), { recursive: true })
    const another = await startHere()
    const ended = await daemon.done
    expect(ended.exitCode).toBe(0)
    expect(said(ended)).toContain('the socket was taken away')
    expect(existsSync(installation.socket)).toBe(true)
    daemon = another
    expect((await node.call('VERSION', { container: '', netns: '' }).done).exitCode).toBe(0)
  })

  test('says how it is used', LIMIT, async () => {
    const ctl = (...words: string[]) => start(installation.sriovctl, words).done
    expect(succeeded(await ctl('--help'))).toMatchObject({ stdout: expect.stringMatching(/^ {2}daemon \[options\]/m) })
    expect(await ctl()).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('Usage: sriovctl') })
    for (const words of [
      ['dance'],
      ['daemon', 'x'],
      ['daemon', '--no'],
      ['daemon', '--log-level', 'x'],
      ['daemon', '--socket', 'x'],
    ]) {
      expect(await ctl(...words)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('see sriovctl --help') })
    }
  })
})

describe.skipIf(missing)(`calls of a resident process that goes wrong (${missing ?? 'can run here'})`, () => {
  test('are done again when it is killed while an IPAM plugin works', LIMIT, async () => {
    const [device = ''] = node.devices
    const { pod, options, running, begun } = waitingAdd(device)
    await begun
    await daemon.stop('SIGKILL')
    node.releaseIpam()
    succeeded(await running.done)
    expect(interfacesOf(pod.name)).toEqual(['net1'])
    await expectGivenBack(options)
  })

  test('are done by a process of their own while it is stopped, and not once more afterwards', LIMIT, async () => {
    const [device = ''] = node.devices
    const pod = namespaces.add()
    const options = { container: pod.name, netns: pod.path, device }
    daemon.child.kill('SIGSTOP')
    succeeded(await node.call('ADD', options).done)
    daemon.child.kill('SIGCONT')
    expect((await node.call('VERSION', { container: '', netns: '' }).done).exitCode).toBe(0)
    expect(interfacesOf(pod.name)).toEqual(['net1'])
    await expectGivenBack(options)
  })

  test('are done again when it was through and died before it said so', LIMIT, async () => {
    const [device = ''] = node.devices
    const pod = namespaces.add()
    const options = { container: pod.name, netns: pod.path, device }
    const alone = { ...options, env: { SRIOV_CNI_SOCKET: '' } }
    const path = `${installation.socket}.dying`
    const dying = createServer((socket) => {
      socket.once('data', async () => {
        socket.write(ACKNOWLEDGEMENT)
        await node.call('ADD', alone).done
        socket.destroy()
      })
    })
    await new Promise<void>((resolve) => dying.listen(path, resolve))
    succeeded(await node.call('ADD', { ...options, env: { SRIOV_CNI_SOCKET: path } }).done)
    dying.close()
    expect(interfacesOf(pod.name)).toEqual(['net1'])
    const second = JSON.parse((await node.call('ADD', alone).done).stdout)
    expect(second.msg).toContain('DEL it first')
    await expectGivenBack(options)
  })

  test(`are all through, whenever it is killed (${KILLS} times)`, { timeout: 120_000 }, async () => {
    const [device = ''] = node.devices
    count('kill points', KILLS)
    for (let i = 0; i < KILLS; i += 1) {
      const pod = namespaces.add()
      const options = { container: pod.name, netns: pod.path, device }
      const verb = i % 2 === 0 ? 'ADD' : 'DEL'
      if (verb === 'DEL') {
        succeeded(await node.call('ADD', options).done)
      }
      const running = node.call(verb, options)
      await new Promise((resolve) => setTimeout(resolve, i * 1.5))
      await daemon.stop('SIGKILL')
      const { exitCode, stdout, stderr } = await running.done
      expect(exitCode, `${verb} with a kill after ${i * 1.5} ms: ${stdout}${stderr}`).toBe(0)
      expect(interfacesOf(pod.name)).toEqual(verb === 'ADD' ? ['net1'] : [])
      await expectGivenBack(options)
      daemon = await startHere()
    }
  })
})
