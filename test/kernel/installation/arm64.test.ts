import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { environmentOf, SKEL_CASES } from '../../contract/skel-cases.js'
import { cniEnvironment, type Output, start } from '../daemon/installation.js'
import { compileHarness } from '../native/compile.js'
import { ROOT } from '../netns.js'
import { add, documentOf, NO_SUCH_NETNS, type Released, released } from './released.js'

/** The release for arm64, cross-built; QEMU's user mode executes it. */
const RELEASE = join(ROOT, 'dist/arm64/release')
const IN_ARM64 = join(ROOT, 'scripts/release.d/in-arm64')
const COMPILER = 'aarch64-linux-gnu-gcc'
/**
 * The parts of the harness that QEMU's user mode can carry out. It has no ioctl of namespaces, no SIOCETHTOOL, and no vfork
 * that shares memory; and it keeps passed descriptors open that the receiver has no room for.
 */
const WITHOUT_FOREIGN_SYSCALLS = ['sysctls', 'frames', 'locks', 'child descriptors']
/** A program of another architecture starts in a second, and many times that on a busy machine. */
const LIMIT = { timeout: 300_000 }

function missingHere(): string | undefined {
  if (arch() !== 'x64') {
    return 'this machine is no x86-64'
  }
  if (spawnSync(IN_ARM64, ['true']).status !== 0) {
    return 'needs QEMU, and binfmt_misc in a user namespace (Linux 6.7)'
  }
  return existsSync(join(RELEASE, 'SHA256SUMS')) ? undefined : 'needs dist/arm64/release: scripts/prepare --tests'
}
const missing = missingHere()

describe.skipIf(missing)(`the release for arm64 (${missing ?? 'can run here'})`, () => {
  let folder: string
  let here: Released
  let there: Released

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sriov-arm64-'))
    here = released()
    const install = [join(RELEASE, 'install'), '--bin-dir', folder]
    expect(spawnSync(IN_ARM64, install, { encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' })
    there = { ...here, folder, plugin: join(folder, 'sriov'), file: (name) => join(folder, '.sriov/current', name) }
  }, 300_000)
  afterAll(() => {
    here?.remove()
    rmSync(folder, { recursive: true, force: true })
  })

  /** A call of the plugin of either architecture. */
  const call = ({ plugin }: Released, env: Readonly<Record<string, string>>, stdin: string): Promise<Output> =>
    start(plugin, [], {
      env: { SRIOV_CNI_SOCKET: '', ...env },
      stdin,
      within: plugin === there.plugin ? [IN_ARM64] : [],
    }).done

  test('is of that architecture, all of it', () => {
    const files = ['sriov', 'node', 'loader', 'sriov_native.node'].map((name) => join(RELEASE, 'release', name))
    const libraries = readdirSync(join(RELEASE, 'release/lib')).map((name) => join(RELEASE, 'release/lib', name))
    for (const file of [...files, ...libraries]) {
      expect(execFileSync('readelf', ['-h', file], { encoding: 'utf8' })).toMatch(/Machine: +AArch64/)
    }
  })

  test('answers VERSION as the release of this machine does', LIMIT, async () => {
    const [one, other] = await Promise.all([here, there].map((release) => call(release, cniEnvironment('VERSION'), '')))
    expect(other).toEqual(one)
  })

  test('carries out an ADD up to the namespace that is not there', LIMIT, async () => {
    const output = await add(there, { within: [IN_ARM64] })
    expect(documentOf(output)).toEqual(NO_SUCH_NETNS)
    expect(output.exitCode).toBe(1)
  })

  // Those that stop at the words and the configuration of the call change nothing on this machine. One in three: each
  // takes a second.
  const cases = SKEL_CASES.filter(
    ({ environment, code }) =>
      code !== undefined && environment.CNI_COMMAND !== 'DEL' && environment.CNI_NETNS !== 'SELF',
  ).filter((_one, i) => i % 3 === 0)
  test.each(cases.map((one) => [one.name, one] as const))('gives the same answer: %s', LIMIT, async (_name, one) => {
    const env = environmentOf(one, '/run/netns/none', '/proc/self/ns/net')
    expect(await call(there, env, one.stdin)).toEqual(await call(here, env, one.stdin))
  })

  test('says why when its Node.js does not start', LIMIT, async () => {
    execFileSync('mv', [there.file('node'), there.file('node.away')])
    try {
      expect(documentOf(await add(there, { within: [IN_ARM64] }))).toMatchObject({ code: 111 })
    } finally {
      execFileSync('mv', [there.file('node.away'), there.file('node')])
    }
  })

  test('the mechanisms of the addon work, as far as QEMU has what they need of the kernel', LIMIT, () => {
    const program = join(folder, 'harness')
    expect(compileHarness(program, { compiler: COMPILER, flags: ['-static'] })).toMatchObject({ status: 0, stderr: '' })
    const words = ['unshare', '--net', program, ...WITHOUT_FOREIGN_SYSCALLS]
    expect(spawnSync(IN_ARM64, words, { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stdout: 'all mechanisms work\n',
      stderr: '',
    })
  })
})
