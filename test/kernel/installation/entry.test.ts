import { execFileSync, spawnSync } from 'node:child_process'
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ROOT } from '../netns.js'
import { missing as missingRelease, RELEASE } from './released.js'

const LIMIT = { timeout: 60_000 }
const PLATFORM = arch() === 'x64' ? 'amd64' : 'arm64'
const missing =
  missingRelease ??
  (existsSync(join(ROOT, `dist/debian/busybox-${PLATFORM}`))
    ? undefined
    : 'needs the busybox of the image: scripts/prepare --tests')

describe.skipIf(missing)(`the entry of the image, on a node (${missing ?? 'can run here'})`, () => {
  let folder: string
  /** The root folder of the container. */
  let root: string
  /** The folder of plugins of the node. */
  let bin: string
  const at = (name: string) => join(bin, name)
  const noted = (name: string) => existsSync(join(folder, name))
  const calls = () => readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n')

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sriov-entry-'))
    root = join(folder, 'root')
    bin = join(folder, 'bin')
    for (const path of ['bin', 'dev', 'host', 'proc', 'sriov-cni/release', bin]) {
      mkdirSync(join(root, path), { recursive: true })
    }
    mkdirSync(bin)
    execFileSync(join(ROOT, 'scripts/image.d/busybox'), [PLATFORM, join(root, 'bin')])
    copyFileSync(join(ROOT, 'scripts/image.d/entry'), join(root, 'sriov-cni/entry'))
    copyFileSync(join(ROOT, 'scripts/release.d/install'), join(root, 'sriov-cni/install'))
    copyFileSync(join(RELEASE, 'release/sriov'), join(root, 'sriov-cni/release/sriov'))
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  /** An installed plugin: its launcher, and a sriovctl that notes what it is asked and then does what a script says. */
  function installed(script = ''): void {
    mkdirSync(at('.sriov/release-1'), { recursive: true })
    copyFileSync(join(RELEASE, 'release/sriov'), at('.sriov/release-1/sriov'))
    copyFileSync(join(RELEASE, 'release/sriov'), at('sriov'))
    writeFileSync(at('.sriov/sriovctl'), `#!/bin/sh\necho "$*" >>${folder}/calls\ncd ${folder}\n${script}\n`, {
      mode: 0o755,
    })
  }

  /** Runs the entry as a container of this node does, until a condition of the shell holds; then it gets SIGTERM. */
  function runUntil(condition: string, verb: string): { status: number | null; said: string } {
    const script = `cd ${folder}
      mount -t proc proc root/proc
      mount --bind /dev root/dev
      mount --rbind / root/host
      mount --make-rshared root/host
      mount -t proc proc root/host/proc
      mount --bind ${bin} root${bin}
      env -i PATH=/bin SRIOV_BIN_DIR=${bin} /usr/sbin/chroot root /sriov-cni/entry ${verb} 2>said &
      until ${condition}; do
        kill -0 $! || break
        sleep 0.1
      done
      kill -TERM $! || true
      wait $!`
    const words = ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private', 'sh', '-euc', script]
    const { status } = spawnSync('unshare', words, { timeout: 40_000, killSignal: 'SIGKILL' })
    return { status, said: readFileSync(join(folder, 'said'), 'utf8') }
  }
  const uninstalled = () => runUntil("grep -qE 'removed;|there is no plugin' said", 'uninstall')

  test('janitor lets a collection end that is under way when it is told to', LIMIT, () => {
    installed(': >begun; trap "exit 1" TERM; for i in 1 2 3 4 5; do sleep 0.2; done; : >ended')
    writeFileSync(at('sriov'), '#!/bin/sh\n', { mode: 0o755 })
    expect(runUntil('[ -e begun ]', 'janitor').status).toBe(0)
    expect(noted('ended')).toBe(true)
    expect(calls()).toEqual(['gc --apply --older-than 10m'])
  })

  test('janitor ends at once between two collections', LIMIT, () => {
    installed(': >ended')
    writeFileSync(at('sriov'), '#!/bin/sh\n', { mode: 0o755 })
    expect(runUntil('[ -e ended ] && sleep 1', 'janitor')).toEqual({ status: 0, said: '' })
  })

  test('uninstall collects what dead pods have left, and removes the plugin', LIMIT, () => {
    installed('[ "$1" = purge ]')
    expect(uninstalled()).toMatchObject({ status: 0, said: expect.stringContaining('sriov-cni: removed;') })
    expect(readdirSync(bin)).toEqual([])
    expect(calls()).toEqual(['gc --apply --older-than 10m', 'purge', 'purge --apply'])
  })

  test('uninstall leaves the program of another plugin', LIMIT, () => {
    installed('[ "$*" != "purge --apply" ] || [ -e bin/sriov ] || exit 1')
    writeFileSync(at('sriov'), 'of another plugin')
    expect(uninstalled().said).toContain('/sriov is not this plugin')
    expect(readdirSync(bin)).toEqual(['sriov'])
    expect(readFileSync(at('sriov'), 'utf8')).toBe('of another plugin')
  })

  test('uninstall puts its launcher back where it cannot remove the plugin yet', LIMIT, () => {
    installed('[ "$*" != "purge --apply" ] || { [ -e bin/sriov ] || : >hidden; exit 1; }')
    expect(runUntil('[ -e hidden ] && [ -e bin/sriov ]', 'uninstall').status).toBe(143)
    expect(readFileSync(at('sriov')).equals(readFileSync(join(RELEASE, 'release/sriov')))).toBe(true)
  })

  test('uninstall does not put its launcher back over a program that has come meanwhile', LIMIT, () => {
    installed('[ "$*" != "purge --apply" ] || [ -e bin/sriov ] || { echo other >bin/sriov; exit 1; }')
    expect(uninstalled().said).toContain('/sriov is not this plugin')
    expect(readdirSync(bin)).toEqual(['sriov'])
    expect(readFileSync(at('sriov'), 'utf8')).toBe('other\n')
  })

  test('uninstall says so where no plugin is, and leaves what is there', LIMIT, () => {
    writeFileSync(at('sriov'), 'of another plugin')
    expect(uninstalled()).toEqual({ status: 0, said: `sriov-cni: there is no plugin in ${bin}\n` })
    expect(readdirSync(bin)).toEqual(['sriov'])
  })

  test('uninstall removes what one has left that was killed', LIMIT, () => {
    mkdirSync(at('.sriov.removed-1/release-1'), { recursive: true })
    expect(uninstalled()).toMatchObject({ status: 0, said: expect.stringContaining('sriov-cni: removed;') })
    expect(readdirSync(bin)).toEqual([])
  })
})
