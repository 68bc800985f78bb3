import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { environmentOf, SKEL_CASES } from '../../contract/skel-cases.js'
import { missingCapability } from '../netns.js'
import { type Daemon, type Installation, install, start, startDaemon } from './installation.js'

const REACHES_A_HANDLER =
  /^(ADD (ok|trailing newline|ifname feff|NAME|cniVersion (missing|empty))|CHECK 0\.4|GC 1\.1|ADD netns self override|CHECK netns self)/
const LIMIT = { timeout: 120_000 }
const missing = missingCapability()

let alone: Installation
let resident: Installation
let daemon: Daemon

beforeAll(async () => {
  if (!missing) {
    ;[alone, resident] = await Promise.all([install(), install({ isSanitized: true, hasOneShot: false })])
    daemon = await startDaemon(resident)
  }
}, 120_000)

afterAll(async () => {
  await daemon?.stop()
  alone?.remove()
  resident?.remove()
})

describe.skipIf(missing)(`through the resident process as without it (${missing ?? 'can run here'})`, () => {
  const cases = SKEL_CASES.filter(
    ({ name, environment }) => !REACHES_A_HANDLER.test(name) && environment.CNI_COMMAND !== 'DEL',
  )

  test.each(cases)('$name', LIMIT, async (one) => {
    const environment = environmentOf(one, '/run/netns/none', '/proc/self/ns/net')
    const ask = ({ plugin }: Installation, socket: string) =>
      start(plugin, [], { env: { ...environment, SRIOV_CNI_SOCKET: socket }, stdin: one.stdin }).done
    const [expected, answered] = await Promise.all([ask(alone, ''), ask(resident, resident.socket)])
    expect(answered).toEqual(expected)
  })

  test('VERSION while stdin stays open', LIMIT, async () => {
    const env = { CNI_COMMAND: 'VERSION', SRIOV_CNI_SOCKET: resident.socket }
    expect(await start(resident.plugin, [], { env }).done).toMatchObject({ exitCode: 0, stderr: '' })
  })

  test('with streams that are closed', LIMIT, async () => {
    const env = { CNI_COMMAND: 'VERSION', SRIOV_CNI_SOCKET: resident.socket }
    const shell = (redirections: string) =>
      start('/bin/sh', ['-c', `exec ${resident.plugin} ${redirections}`], { env, stdin: '' }).done
    expect((await shell('<&- 2>&-')).stdout).toContain('supportedVersions')
    expect(await shell('>&-')).toMatchObject({ exitCode: 0, stdout: '', stderr: '' })
  })

  test('NODE_* of the caller reaches nobody', LIMIT, async () => {
    const env = { CNI_COMMAND: 'VERSION', SRIOV_CNI_SOCKET: resident.socket, NODE_OPTIONS: '--no-such-option' }
    expect((await start(resident.plugin, [], { env }).done).exitCode).toBe(0)
  })

  test('log lines of a call on its stderr, with its level and its facts', LIMIT, async () => {
    const conf = { cniVersion: '1.0.0', name: 'n', type: 'sriov', deviceID: 'ffff:01:10.0', logLevel: 'info' }
    const env = {
      CNI_COMMAND: 'ADD',
      CNI_CONTAINERID: 'logged',
      CNI_IFNAME: 'net1',
      CNI_PATH: '/nowhere',
      CNI_NETNS: '/run/netns/none',
      SRIOV_CNI_SOCKET: resident.socket,
    }
    const { exitCode, stderr } = await start(resident.plugin, [], { env, stdin: JSON.stringify(conf) }).done
    expect(exitCode).toBe(1)
    expect(JSON.parse(stderr)).toMatchObject({ level: 'info', verb: 'ADD', containerId: 'logged' })
  })
})
