import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, type Options } from 'tsup'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SUPPORTED_VERSIONS } from '../../src/cni/version.js'
import config from '../../tsup.config.js'
import { missingForOwnFolders, withinOwnFolders } from './own-folders.js'
import { environmentOf, oneDocument, SKEL_CASES } from './skel-cases.js'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const REACHES_A_HANDLER = /^(ADD (ok|trailing newline|ifname feff|NAME|cniVersion (missing|empty))|CHECK 0\.4|GC 1\.1)/

let folder = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sriov-contract-'))
  const [plugin] = [config].flat()
  await build({ ...(plugin as Options), config: false, silent: true, outDir: folder })
  copyFileSync(join(ROOT, 'build/Release/sriov_native.node'), join(folder, 'sriov_native.node'))
}, 60_000)

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

function run(environment: Record<string, string>, input: string | Buffer | undefined, cwd = '/') {
  const within = missingForOwnFolders ? [] : withinOwnFolders(folder)
  const [program = '', ...args] = [...within, process.execPath, join(folder, 'main.cjs')]
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    env: environment,
    encoding: 'utf8',
    ...(input === undefined ? { stdio: ['ignore', 'pipe', 'pipe'] as const } : { input }),
  })
  return { status, stdout, stderr }
}

describe('the built plugin answers as the reference does', () => {
  const cases = SKEL_CASES.filter(
    ({ name, environment }) =>
      !REACHES_A_HANDLER.test(name) && environment.CNI_NETNS !== 'SELF' && environment.CNI_COMMAND !== 'DEL',
  ).filter((_one, i) => i % 3 === 0)

  test.each(cases)('$name', (one) => {
    const { status, stdout, stderr } = run(environmentOf(one, '/run/netns/none', '/proc/self/ns/net'), one.stdin)
    expect(status).toBe(one.exitCode)
    expect(oneDocument(stdout)?.code).toBe(one.code)
    expect(stdout === '' || stdout.endsWith('}\n')).toBe(true)
    if (one.environment.CNI_COMMAND !== undefined) {
      expect(stderr).toBe('')
    }
  })
})

const VERSIONS = { cniVersion: '1.1.0', supportedVersions: SUPPORTED_VERSIONS }

test('VERSION answers without stdin', () => {
  expect(oneDocument(run({ CNI_COMMAND: 'VERSION' }, undefined).stdout)).toEqual(VERSIONS)
})

test('VERSION answers with stdin closed', () => {
  const script = `exec ${process.execPath} ${join(folder, 'main.cjs')} <&-`
  const { status, stdout } = spawnSync('/bin/sh', ['-c', script], {
    env: { CNI_COMMAND: 'VERSION' },
    encoding: 'utf8',
  })
  expect({ status, document: oneDocument(stdout) }).toEqual({ status: 0, document: VERSIONS })
})

test('VERSION answers while stdin stays open', async () => {
  const child = spawn(process.execPath, [join(folder, 'main.cjs')], { env: { CNI_COMMAND: 'VERSION' } })
  let stdout = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), 4_000)
  const status = await new Promise((resolve) => child.on('close', resolve))
  clearTimeout(timer)
  expect({ status, document: oneDocument(stdout) }).toEqual({ status: 0, document: VERSIONS })
})

test('the about text stands on stderr without CNI_COMMAND', () => {
  const { status, stdout, stderr } = run({}, undefined)
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' })
  expect(stderr).toContain('CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0\n')
})

describe.skipIf(missingForOwnFolders)(`with folders of its own (${missingForOwnFolders ?? 'can run here'})`, () => {
  const conf = (keys: object = {}) => JSON.stringify({ cniVersion: '1.1.0', name: 'n', type: 'sriov', ...keys })
  const environment = (verb: string) => ({
    CNI_COMMAND: verb,
    CNI_CONTAINERID: 'a',
    CNI_NETNS: '/run/netns/none',
    CNI_IFNAME: 'net1',
    CNI_PATH: '/none',
  })

  test.each(['DEL', 'GC', 'STATUS'])('%s succeeds, and prints nothing', (verb) => {
    const device = verb === 'STATUS' ? {} : { deviceID: '0000:01:10.0' }
    expect(run(environment(verb), conf(device))).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test('ADD without the namespace is refused with code 8', () => {
    const { status, stdout } = run(environment('ADD'), conf({ deviceID: '0000:01:10.0' }))
    expect({ status, code: oneDocument(stdout)?.code }).toEqual({ status: 1, code: 8 })
  })

  test('a warning goes to stderr as one line of JSON, or to the log file', () => {
    const near = { 'max-tx-rate': 5 }
    const { stdout, stderr } = run(environment('STATUS'), conf(near))
    expect(stdout).toBe('')
    expect(oneDocument(stderr)).toMatchObject({ level: 'warning', msg: expect.stringContaining('max_tx_rate') })
    const logFile = '/var/log/sriov/sriov.log'
    expect(run(environment('STATUS'), conf({ ...near, logFile }))).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test('one without an end is refused with code 6, before the memory is full', () => {
    const endless = Buffer.alloc(17 * 1024 * 1024, ' ')
    const { status, stdout } = run(environment('ADD'), endless)
    expect(status).toBe(1)
    expect(oneDocument(stdout)).toMatchObject({ code: 6, msg: expect.stringContaining('more than 16777216 bytes') })
  })

  test('one that is not UTF-8 is refused with code 6: an IPAM plugin would get another', () => {
    const bytes = Buffer.from(conf({ deviceID: '0000:01:10.0', comment: '?' }))
    bytes[bytes.lastIndexOf('?')] = 0xff
    const { status, stdout } = run(environment('ADD'), bytes)
    expect({ status, code: oneDocument(stdout)?.code }).toEqual({ status: 1, code: 6 })
    expect(stdout).toContain('stdin is not UTF-8')
  })

  test('a configuration of 1 MB is read', () => {
    const { status } = run(environment('STATUS'), conf({ comment: 'x'.repeat(1_000_000) }))
    expect(status).toBe(0)
  })
})
