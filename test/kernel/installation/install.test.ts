import { execFileSync, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { replacePlugin, start } from '../daemon/installation.js'
import { add, documentOf, install, missing, NO_SUCH_NETNS, RELEASE, type Released, released } from './released.js'

const LIMIT = { timeout: 120_000 }
/** What the installer runs. */
const TOOLS = 'cat chmod cp cut date dirname du env ln mkdir mv readlink rm sha256sum sync test'.split(' ')

let folder = ''
const bin = () => join(folder, 'bin')
const base = () => join(bin(), '.sriov')
const current = () => readlinkSync(join(base(), 'current'))
const releases = () => readdirSync(base()).filter((name) => name.startsWith('release-'))

const expectToAnswer = async (here: Released) => expect(documentOf(await add(here))).toEqual(NO_SUCH_NETNS)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sriov-install-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A copy of the release that a test may damage: installs it. */
function copyOfRelease(): (...words: string[]) => { status: number | null; said: string } {
  const copy = join(folder, 'copy')
  execFileSync('cp', ['-R', RELEASE, copy])
  return (...words) => {
    try {
      return {
        status: 0,
        said: execFileSync(join(copy, 'install'), ['--bin-dir', bin(), ...words], { encoding: 'utf8' }),
      }
    } catch (error) {
      const { status, stderr } = error as { status: number; stderr: string }
      return { status, said: stderr }
    }
  }
}

/** In a mount namespace of its own: a script that ends with a call of `install`. */
const inMounts = (script: string) =>
  start('/bin/sh', ['-euc', script], {
    env: { PATH: process.env.PATH ?? '', RELEASE, BIN: bin() },
    within: ['unshare', '-m', '--propagation', 'private'],
  }).done

describe.skipIf(missing)(`install (${missing ?? 'can run here'})`, () => {
  /** A root folder with the release, and nothing to run it with. */
  function rootWithRelease(): string {
    const root = join(folder, 'root')
    mkdirSync(join(root, 'tmp'), { recursive: true })
    execFileSync('cp', ['-R', RELEASE, join(root, 'release')])
    return root
  }

  const inRoot = (root: string, ...words: string[]) =>
    start('/usr/sbin/chroot', [root, ...words], { env: { PATH: '/usr/bin:/bin', CNI_COMMAND: 'VERSION' } }).done
  const installInRoot = (root: string) => inRoot(root, '/release/install', '--bin-dir', '/opt/cni/bin')

  async function expectToInstall(root: string): Promise<void> {
    expect(await installInRoot(root)).toMatchObject({ exitCode: 0, stderr: '' })
    expect(documentOf(await inRoot(root, '/opt/cni/bin/sriov'))).toHaveProperty('supportedVersions')
  }

  test('needs a shell and coreutils, nothing else', LIMIT, async () => {
    const root = rootWithRelease()
    const paths = ['/bin/sh', ...TOOLS.map((tool) => execFileSync('which', [tool], { encoding: 'utf8' }).trim())]
    const libraries = paths.flatMap((path) => [
      ...execFileSync('ldd', [path], { encoding: 'utf8' }).matchAll(/(\/\S+) \(0x/g),
    ])
    for (const path of new Set([...paths, ...libraries.map(([, path = '']) => path)])) {
      execFileSync('sh', ['-ec', 'mkdir -p "$1$(dirname "$2")"; cp -L "$2" "$1$2"', 'sh', root, path])
    }
    await expectToInstall(root)
  })

  test('needs busybox, nothing else; names the file that is damaged there, too', LIMIT, async () => {
    const root = rootWithRelease()
    mkdirSync(join(root, 'bin'))
    execFileSync('cp', [execFileSync('which', ['busybox'], { encoding: 'utf8' }).trim(), join(root, 'bin/busybox')])
    for (const tool of ['sh', ...TOOLS]) {
      symlinkSync('busybox', join(root, 'bin', tool))
    }
    await expectToInstall(root)
    writeFileSync(join(root, 'release/release/main.cjs'), 'x', { flag: 'a' })
    expect(await installInRoot(root)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(/main\.cjs: FAILED(?:.|\n)*nothing was changed/),
    })
  })

  test('goes back to the release before, and forth again', LIMIT, async () => {
    const here = released(bin())
    const first = current()
    expect(install(bin()).status).toBe(0)
    const second = current()
    expect(second).not.toBe(first)
    expect(install(bin(), '--rollback')).toMatchObject({ status: 0, stdout: expect.stringContaining(first) })
    expect(current()).toBe(first)
    await expectToAnswer(here)
    expect(install(bin(), '--rollback').status).toBe(0)
    expect(current()).toBe(second)
  })

  test('keeps the release in use and the one before', LIMIT, () => {
    released(bin())
    install(bin())
    const before = current()
    install(bin())
    expect(releases().sort()).toEqual([before, current()].sort())
  })

  test('keeps an older release while a call runs from it', LIMIT, async () => {
    const here = released(bin())
    const first = current()
    replacePlugin(bin(), `begun(); setTimeout(() => { writeSync(1, '{}'); answered(0); process.exit() }, 20_000)`)
    const running = start(here.plugin, [], { env: { CNI_COMMAND: 'ADD', SRIOV_CNI_SOCKET: '' }, stdin: '{}' })
    await expect.poll(() => existsSync(join(base(), first, 'starts')), { timeout: 10_000 }).toBe(true)
    install(bin())
    install(bin())
    expect(releases()).toContain(first)
    running.child.kill('SIGKILL')
    await running.done
    install(bin())
    expect(releases()).not.toContain(first)
  })

  test('leaves what another installer is copying, and removes what one has left', LIMIT, () => {
    released(bin())
    install(bin())
    const folders = ['release-20990101-000000-1', '.trial-1'].map((name) => join(base(), name))
    const files = [join(base(), '.sriovctl.tmp-1'), join(bin(), '.sriov.tmp-1')]
    const left = [...folders, ...files]
    folders.forEach((path) => void mkdirSync(path))
    files.forEach((path) => void writeFileSync(path, ''))
    install(bin())
    expect(left.filter((path) => !existsSync(path))).toEqual([])
    execFileSync('touch', ['-d', 'yesterday', ...left])
    install(bin())
    expect(left.filter((path) => existsSync(path))).toEqual([])
  })

  test.each(['node', 'main.cjs', 'lib/libc.so.6'])('refuses a release whose %s is damaged', LIMIT, async (name) => {
    const here = released(bin())
    const before = current()
    const installCopy = copyOfRelease()
    writeFileSync(join(folder, 'copy/release', name), 'x', { flag: 'a' })
    expect(installCopy()).toMatchObject({ status: 1, said: expect.stringContaining('nothing was changed') })
    expect([current(), releases()]).toEqual([before, [before]])
    await expectToAnswer(here)
  })

  test('refuses a release that does not answer, whatever its checksums say', LIMIT, async () => {
    const here = released(bin())
    const before = current()
    const installCopy = copyOfRelease()
    writeFileSync(join(folder, 'copy/release/main.cjs'), 'process.exit(0)')
    execFileSync('sh', ['-ec', 'find install LICENSE release -type f | xargs sha256sum >sums; mv sums SHA256SUMS'], {
      cwd: join(folder, 'copy'),
    })
    const { status, said } = installCopy()
    expect(status).toBe(1)
    expect(said).toMatch(/does not start from .*nothing was changed.*"code":111/)
    expect([current(), releases()]).toEqual([before, [before]])
    expect(readdirSync(base()).filter((entry) => entry.includes('trial'))).toEqual([])
    await expectToAnswer(here)
  })

  test('on a full disk changes nothing', LIMIT, async () => {
    const { exitCode, stdout, stderr } = await inMounts(`mkdir -p "$BIN"
      mount -t tmpfs -o size=150m tmpfs "$BIN"
      "$RELEASE/install" --bin-dir "$BIN"
      ls -A "$BIN/.sriov" >/tmp/.sriov-before-$$
      if "$RELEASE/install" --bin-dir "$BIN"; then exit 1; fi
      ls -A "$BIN/.sriov" | cmp - /tmp/.sriov-before-$$
      rm /tmp/.sriov-before-$$
      CNI_COMMAND=VERSION "$BIN/sriov"`)
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/No space left/)])
    expect(stdout).toContain('"supportedVersions"')
  })

  test.each([
    ['ro', /Read-only file system/],
    ['noexec', /could not be executed|Permission denied/],
  ])('into a folder that is mounted %s says so and leaves nothing', LIMIT, async (options, text) => {
    const { exitCode, stderr, stdout } = await inMounts(`mkdir -p "$BIN"
      mount -t tmpfs -o size=250m,${options} tmpfs "$BIN"
      if "$RELEASE/install" --bin-dir "$BIN"; then exit 3; fi
      find "$BIN" -type f`)
    expect(exitCode).toBe(0)
    expect(stderr).toMatch(text)
    expect(stdout).toBe('')
  })

  test('a folder that has become read-only serves calls all the same', LIMIT, async () => {
    const { exitCode, stdout } = await inMounts(`mkdir -p "$BIN"
      mount -t tmpfs -o size=250m tmpfs "$BIN"
      "$RELEASE/install" --bin-dir "$BIN" >&2
      mount -o remount,ro "$BIN"
      export CNI_COMMAND=ADD CNI_CONTAINERID=x CNI_NETNS=/run/netns/none CNI_IFNAME=net1 CNI_PATH=/x SRIOV_CNI_SOCKET=
      echo '{"cniVersion":"1.0.0","name":"n","type":"sriov","deviceID":"ffff:01:10.0"}' | "$BIN/sriov" || true`)
    expect([exitCode, JSON.parse(stdout)]).toEqual([0, NO_SUCH_NETNS])
  })

  test('a release folder that has become noexec is named', LIMIT, async () => {
    const { stdout } = await inMounts(`mkdir -p "$BIN"
      "$RELEASE/install" --bin-dir "$BIN" >&2
      mount --bind "$BIN/.sriov" "$BIN/.sriov"
      mount -o remount,bind,noexec "$BIN/.sriov"
      CNI_COMMAND=ADD SRIOV_CNI_SOCKET= "$BIN/sriov" </dev/null || true`)
    expect(JSON.parse(stdout)).toMatchObject({
      code: 111,
      msg: expect.stringMatching(/could not be executed \(EACCES\)/),
    })
  })

  test.each(['sriov', '.sriov/sriovctl'])(
    '--unless-same puts a launcher at %s that an installer has not come to',
    LIMIT,
    (name) => {
      released(bin())
      const launcher = readFileSync(join(bin(), name))
      // It answers all the same: what follows a program in its file is not looked at.
      appendFileSync(join(bin(), name), 'of the release before')
      expect(install(bin(), '--unless-same')).toMatchObject({
        status: 0,
        stdout: `${bin()}/sriov is this release already\n`,
      })
      expect(readFileSync(join(bin(), name)).equals(launcher)).toBe(true)
      expect(releases()).toHaveLength(1)
    },
  )

  describe('--uninstall', () => {
    test('leaves the program of another plugin', LIMIT, () => {
      released(bin())
      writeFileSync(join(bin(), 'sriov'), 'of another plugin')
      expect(install(bin(), '--uninstall')).toMatchObject({
        status: 0,
        stdout: expect.stringContaining(`${bin()}/sriov is not this plugin's and stays\n`),
      })
      expect(readdirSync(bin())).toEqual(['sriov'])
      expect(readFileSync(join(bin(), 'sriov'), 'utf8')).toBe('of another plugin')
    })

    test('removes the launcher of a release that is not the current one', LIMIT, () => {
      released(bin())
      appendFileSync(join(bin(), 'sriov'), 'of the release before')
      mkdirSync(join(base(), 'release-20200101-000000-1'))
      copyFileSync(join(bin(), 'sriov'), join(base(), 'release-20200101-000000-1/sriov'))
      expect(install(bin(), '--uninstall').status).toBe(0)
      expect(readdirSync(bin())).toEqual([])
    })

    test.each([['--unless-same'], ['--uninstall']])(
      'leaves no half of a plugin when it is killed, and %s removes the rest',
      LIMIT,
      (next) => {
        released(bin())
        const tools = join(folder, 'tools')
        mkdirSync(tools)
        writeFileSync(
          join(tools, 'rm'),
          '#!/bin/sh\ncase "$*" in *.sriov.removed-*) kill -KILL $PPID ;; *) exec /bin/rm "$@" ;; esac\n',
          { mode: 0o755 },
        )
        const { signal } = spawnSync(join(RELEASE, 'install'), ['--bin-dir', bin(), '--uninstall'], {
          env: { PATH: `${tools}:/usr/bin:/bin` },
        })
        expect([signal, readdirSync(bin())]).toEqual(['SIGKILL', [expect.stringMatching(/^\.sriov\.removed-\d+$/)]])
        expect(install(bin(), next).status).toBe(0)
        expect(readdirSync(bin())).toEqual(next === '--uninstall' ? [] : ['.sriov', 'sriov'])
      },
    )
  })

  test('was made of files whose checksums it knows', () => {
    const listed = readFileSync(join(RELEASE, 'SHA256SUMS'), 'utf8').trim().split('\n').length
    const there = execFileSync('find', ['install', 'LICENSE', 'release', '-type', 'f'], {
      cwd: RELEASE,
      encoding: 'utf8',
    })
    expect(there.trim().split('\n')).toHaveLength(listed)
  })
})
