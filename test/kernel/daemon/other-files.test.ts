import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { NODE_FOLDER } from '../../../src/cni/folders.js'
import { missingCapability, TestNamespaces } from '../netns.js'
import { type Daemon, type Installation, install, startDaemon, succeeded } from './installation.js'
import { makeNode, type TestNode } from './node.js'

const LIMIT = { timeout: 60_000 }
const ENV = { PATH: '/usr/sbin:/usr/bin' }
const LEFT_ALONE = 'sees other files'
const missing = missingCapability()
const namespaces = new TestNamespaces()

let installation: Installation
let node: TestNode
let daemon: Daemon
let said = ''

beforeAll(async () => {
  if (!missing) {
    installation = await install()
    node = await makeNode(installation)
    daemon = await startDaemon(installation, { within: node.within })
    daemon.child.stderr?.on('data', (chunk) => {
      said += chunk
    })
  }
}, 120_000)

afterAll(async () => {
  await daemon?.stop()
  node?.remove()
  namespaces.removeAll()
  installation?.remove()
})

/** A mount namespace of its own, in which the command line of a shell was run before the call. */
const after = (script: string): readonly string[] => [
  'unshare',
  '--mount',
  '--propagation',
  'private',
  'sh',
  '-ec',
  `${script}; exec "$@"`,
  'sh',
]

/** An IPAM plugin that only a caller with its folder mounted finds. */
function privatePlugins(folder: string): string {
  const plugins = join(folder, 'private-plugins')
  const answer = '{"cniVersion":"1.0.0","ips":[{"address":"10.88.0.5/24"}]}'
  mkdirSync(plugins, { recursive: true })
  writeFileSync(
    join(plugins, 'private'),
    `#!/bin/sh\necho "$CNI_COMMAND" >>${folder}/private-calls\n[ "$CNI_COMMAND" = ADD ] || exit 0\necho '${answer}'\n`,
    { mode: 0o755 },
  )
  return plugins
}

describe.skipIf(missing)(`a call from another mount namespace (${missing ?? 'can run here'})`, () => {
  test('is served here when it sees the same files', LIMIT, async () => {
    const pod = namespaces.add()
    const [device = ''] = node.devices
    const options = {
      container: pod.name,
      netns: pod.path,
      device,
      within: after('mount -t tmpfs none /mnt'),
      env: ENV,
    }
    succeeded(await node.call('ADD', options).done)
    succeeded(await node.call('DEL', options).done)
    expect(said).not.toContain(LEFT_ALONE)
  })

  test('finds the IPAM plugins that are there for its caller, on ADD and on DEL', LIMIT, async () => {
    const pod = namespaces.add()
    const { folder } = installation
    const within = after(`mount --bind ${privatePlugins(folder)} ${folder}/ipam`)
    const [device = ''] = node.devices
    const options = {
      container: pod.name,
      netns: pod.path,
      device,
      within,
      env: ENV,
      conf: { ipam: { type: 'private' } },
    }
    expect(JSON.parse(succeeded(await node.call('ADD', options).done).stdout)).toMatchObject({
      ips: [{ address: '10.88.0.5/24' }],
    })
    succeeded(await node.call('DEL', options).done)
    expect(readFileSync(`${folder}/private-calls`, 'utf8')).toBe('ADD\nDEL\n')
    expect(node.interfaces()).toEqual(['vf0', 'vf1', 'vf2', 'vf3'])
    expect(said).toContain(LEFT_ALONE)
  })

  test('keeps its state where its caller has it', LIMIT, async () => {
    const pod = namespaces.add()
    const { folder } = installation
    mkdirSync(join(folder, 'private-state'), { recursive: true })
    const within = after(`mount --bind ${folder}/private-state ${NODE_FOLDER}`)
    const [device = ''] = node.devices
    const options = { container: pod.name, netns: pod.path, device, within, env: ENV }
    succeeded(await node.call('ADD', options).done)
    expect(readdirSync(join(folder, 'private-state'))).toContain(`${pod.name}-net1`)
    succeeded(await node.call('DEL', options).done)
    expect(node.interfaces()).toEqual(['vf0', 'vf1', 'vf2', 'vf3'])
  })
})
