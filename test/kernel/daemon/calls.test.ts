import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { missingCapability, TestNamespaces } from '../netns.js'
import { type Daemon, type Installation, install, startDaemon, succeeded } from './installation.js'
import { interfacesOf, makeNode, type TestNode } from './node.js'

const LIMIT = { timeout: 30_000 }
const GATED = { ipam: { type: 'gated' } }
const missing = missingCapability()
const namespaces = new TestNamespaces()

let installation: Installation
let node: TestNode
let daemon: Daemon

beforeAll(async () => {
  if (!missing) {
    // Nobody but the resident process can have answered.
    installation = await install({ hasOneShot: false })
    node = await makeNode(installation)
    daemon = await startDaemon(installation, { within: node.within })
  }
}, 60_000)

afterEach(() => node?.releaseIpam())

afterAll(async () => {
  expect((await daemon?.stop())?.exitCode ?? 0).toBe(0)
  node?.remove()
  namespaces.removeAll()
  installation?.remove()
})

const call = (verb: string, options: Parameters<TestNode['call']>[1]) => node.call(verb, options).done

describe.skipIf(missing)(`the resident process (${missing ?? 'can run here'})`, () => {
  test('gives a pod a device and takes it back', LIMIT, async () => {
    const pod = namespaces.add()
    const one = {
      container: 'pod-1',
      netns: pod.path,
      ...(node.devices[0] && { device: node.devices[0] }),
      conf: GATED,
    }
    const added = await call('ADD', one)
    succeeded(added)
    expect(JSON.parse(added.stdout)).toMatchObject({
      interfaces: [{ name: 'net1', sandbox: pod.path }],
      ips: [{ address: '10.77.0.5/24' }],
    })
    expect(interfacesOf(pod.name)).toEqual(['net1'])
    expect(await call('CHECK', { ...one, conf: { ...GATED, prevResult: JSON.parse(added.stdout) } })).toMatchObject({
      exitCode: 0,
      stdout: '',
    })
    expect(succeeded(await call('DEL', one))).toMatchObject({ stdout: '' })
    expect(interfacesOf(pod.name)).toEqual([])
    expect(node.interfaces()).toEqual(['vf0', 'vf1', 'vf2', 'vf3'])
    expect(node.ipamCalls()).toEqual(['ADD pod-1', 'CHECK pod-1', 'DEL pod-1'])
  })

  test('hands the words of an IPAM plugin to the caller', LIMIT, async () => {
    const [device = ''] = node.devices
    const { stderr } = await call('DEL', { container: 'pod-2', netns: '', device, conf: GATED })
    expect(stderr).toBe('the words of IPAM\n')
  })

  test('finds the namespace of a caller whose paths it does not see', LIMIT, async () => {
    const pod = namespaces.add()
    const [device = ''] = node.devices
    mkdirSync(join(installation.folder, 'elsewhere'))
    const path = join(installation.folder, 'elsewhere/ns')
    const script = `mount -t tmpfs none ${installation.folder}/elsewhere; touch ${path}; mount --bind ${pod.path} ${path}; exec "$@"`
    const within = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh']
    const env = { PATH: '/usr/sbin:/usr/bin' }
    const added = await call('ADD', { container: 'pod-3', netns: path, device, within, env })
    succeeded(added)
    expect(JSON.parse(added.stdout).interfaces[0].sandbox).toBe(path)
    expect(interfacesOf(pod.name)).toEqual(['net1'])
    succeeded(await call('DEL', { container: 'pod-3', netns: path, device, within, env }))
    expect(interfacesOf(pod.name)).toEqual([])
  })

  test('logs to the file of a call, and closes it', LIMIT, async () => {
    const logFile = '/var/log/call.log'
    const open = () => readdirSync(`/proc/${daemon.child.pid}/fd`).length
    const conf = { logFile, logLevel: 'debug' }
    const [device = ''] = node.devices
    const before = open()
    for (let i = 0; i < 30; i += 1) {
      await call('ADD', { container: `logged-${i}`, netns: '/run/netns/none', device, conf })
    }
    await expect.poll(open).toBe(before)
    const lines = readFileSync(join(installation.folder, 'log/call.log'), 'utf8').trim().split('\n')
    expect(new Set(lines.map((line) => JSON.parse(line).containerId)).size).toBe(30)
  })

  test('says that a namespace is not there', LIMIT, async () => {
    const [device = ''] = node.devices
    const { stdout } = await call('ADD', { container: 'pod-4', netns: '/run/netns/none', device })
    expect(JSON.parse(stdout)).toMatchObject({ code: 8, msg: expect.stringContaining('/run/netns/none') })
    const file = await call('ADD', { container: 'pod-4', netns: '/etc/passwd', device })
    expect(JSON.parse(file.stdout)).toMatchObject({ code: 8, msg: expect.stringContaining('not a network namespace') })
  })

  test('answers one call while others wait for a lock and for an IPAM plugin', LIMIT, async () => {
    const [a, b, c] = [namespaces.add(), namespaces.add(), namespaces.add()]
    const [first = '', second = '', third = ''] = node.devices
    const unlock = await node.lock(first)
    node.holdIpam()
    const waitsForLock = node.call('ADD', { container: 'pod-lock', netns: a.path, device: first })
    const waitsForIpam = node.call('ADD', { container: 'pod-ipam', netns: b.path, device: second, conf: GATED })
    await expect.poll(() => node.ipamCalls()).toContain('ADD pod-ipam')
    const began = performance.now()
    succeeded(await call('STATUS', { container: '', netns: '' }))
    succeeded(await call('ADD', { container: 'pod-free', netns: c.path, device: third }))
    expect(performance.now() - began).toBeLessThan(10_000)
    expect(interfacesOf(c.name)).toEqual(['net1'])
    await unlock()
    succeeded(await waitsForLock.done)
    node.releaseIpam()
    succeeded(await waitsForIpam.done)
    for (const [container, netns, device] of [
      ['pod-lock', a.path, first],
      ['pod-ipam', b.path, second],
      ['pod-free', c.path, third],
    ] as const) {
      const conf = container === 'pod-ipam' ? GATED : {}
      succeeded(await call('DEL', { container, netns, device, conf }))
    }
    expect(node.interfaces()).toEqual(['vf0', 'vf1', 'vf2', 'vf3'])
  })

  test('undoes an ADD whose caller was killed, lease and all', LIMIT, async () => {
    const pod = namespaces.add()
    const [device = ''] = node.devices
    const options = { container: 'pod-gone', netns: pod.path, device, conf: GATED }
    node.holdIpam()
    const running = node.call('ADD', options)
    await expect.poll(() => node.ipamCalls()).toContain('ADD pod-gone')
    running.child.kill('SIGTERM')
    await running.done
    node.releaseIpam()
    await expect.poll(() => node.ipamCalls(), { timeout: 10_000 }).toContain('DEL pod-gone')
    await expect.poll(() => node.interfaces()).toEqual(['vf0', 'vf1', 'vf2', 'vf3'])
    expect(interfacesOf(pod.name)).toEqual([])
    succeeded(await call('ADD', { ...options, container: 'pod-next' }))
    succeeded(await call('DEL', { ...options, container: 'pod-next' }))
  })

  test('gives a device once to many callers at once', LIMIT, async () => {
    const pods = Array.from({ length: 8 }, () => namespaces.add())
    const [device = ''] = node.devices
    const answers = await Promise.all(
      pods.map(({ name, path }) => call('ADD', { container: name, netns: path, device })),
    )
    expect(
      answers.filter(({ exitCode }) => exitCode === 0),
      answers[0]?.stdout,
    ).toHaveLength(1)
    expect(pods.filter(({ name }) => interfacesOf(name).length > 0)).toHaveLength(1)
    for (const { name, path } of pods) {
      succeeded(await call('DEL', { container: name, netns: path, device }))
    }
    expect(node.interfaces()).toEqual(['vf0', 'vf1', 'vf2', 'vf3'])
  })
})

describe.skipIf(missing)(`the memory of the resident process (${missing ?? 'can run here'})`, () => {
  const LARGE = 1_000_000
  const nested = (open: string, close: string) => {
    const depth = Math.floor(LARGE / (open.length + close.length))
    return `${open.repeat(depth)}1${close.repeat(depth)}`
  }
  const list = (one: string) => `[${Array.from({ length: Math.floor(LARGE / (one.length + 1)) }, () => one).join()}]`

  test.each([
    ['empty objects', list('{}')],
    ['objects', list('{"a":1}')],
    ['nested lists', nested('[', ']')],
    ['nested objects', nested('{"a":', '}')],
  ])('has room for a configuration of %s, several times', LIMIT, async (_name, value) => {
    const conf = `{"cniVersion":"1.0.0","name":"n","type":"sriov","x":${value}}`
    const options = { container: 'large', netns: '/run/netns/none', conf }
    const answers = await Promise.all([1, 2].map(() => call('ADD', options)))
    for (const { exitCode, stdout } of answers) {
      expect({ exitCode, code: stdout === '' ? undefined : JSON.parse(stdout).code }).toMatchObject({ exitCode: 1 })
    }
    expect((await call('VERSION', { container: '', netns: '' })).exitCode).toBe(0)
    expect(daemon.child.exitCode).toBeNull()
  })
})
