import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { checksumOf } from '../../../scripts/tools/bytecode.js'
import { withinOwnFolders } from '../../contract/own-folders.js'
import { replacePlugin, start } from '../daemon/installation.js'
import {
  add,
  deadlyLibrary,
  documentOf,
  missing,
  NO_SUCH_NETNS,
  processesOf,
  type Released,
  released,
  startsOf,
  tooNewLibrary,
} from './released.js'

const LIMIT = { timeout: 60_000 }
const CHANGED = ['main.bytecode', 'main.cjs', 'start.cjs', 'node', 'loader']

let here: Released

beforeAll(() => {
  if (!missing) {
    here = released()
  }
}, 60_000)
beforeEach(() => {
  if (!missing) {
    CHANGED.forEach(here.mend)
    rmSync(here.file('starts'), { force: true })
  }
})
afterAll(() => here?.remove())

/** What a damage does to Node.js, which is then started without its loader. */
function withoutLoader(damage: (node: string) => void): void {
  rmSync(here.file('loader'))
  damage(here.file('node'))
}

/** In the place of Node.js: a shell script, which the loader does not start. */
function replaceNode(script: string): void {
  rmSync(here.file('loader'))
  rmSync(here.file('node'))
  writeFileSync(here.file('node'), `#!/bin/sh\necho $$ >>${here.file('starts')}\n${script}\n`, { mode: 0o755 })
}

function replaceBytecode(by: (path: string) => void): void {
  rmSync(here.file('main.bytecode'))
  by(here.file('main.bytecode'))
}

const writeBytecode = (change: (bytes: Buffer) => Buffer) =>
  writeFileSync(here.file('main.bytecode'), change(readFileSync(here.file('main.bytecode'))))

const flip = (at: number) => (bytes: Buffer) => {
  bytes[at] = (bytes[at] ?? 0) ^ 0x10
  return bytes
}

test.skipIf(missing)(`the bytecode has every function of the plugin (${missing ?? 'can run here'})`, () => {
  const everything = `
    require('node:v8').setFlagsFromString('--no-lazy')
    const text = require('node:fs').readFileSync(process.argv[1], 'utf8')
    process.stdout.write(String(new (require('node:vm').Script)(text).createCachedData().length))`
  const { stdout } = spawnSync(
    here.file('loader'),
    ['--inhibit-cache', '--library-path', here.file('lib'), here.file('node'), '-e', everything, here.file('main.cjs')],
    { encoding: 'utf8' },
  )
  expect(Number(stdout)).toBeGreaterThan(0)
  expect(statSync(here.file('main.bytecode')).size).toBeGreaterThan(Number(stdout) * 0.95)
})

describe.skipIf(missing)(`a call is carried out (${missing ?? 'can run here'})`, () => {
  test.each([
    ['OPENSSL_CONF', '/etc/passwd'],
    ['SSL_CERT_FILE', '/nowhere'],
    ['LD_PRELOAD', '/nowhere/agent.so'],
    ['LD_LIBRARY_PATH', '/nowhere'],
    ['LD_AUDIT', '/nowhere/audit.so'],
    ['LD_BIND_NOW', '1'],
    ['GLIBC_TUNABLES', 'glibc.rtld.optional_static_tls=99999999999:glibc.malloc.check=3'],
    ['NODE_OPTIONS', '--no-such-option'],
    ['NODE_V8_COVERAGE', '/nowhere'],
    ['NODE_EXTRA_CA_CERTS', '/nowhere'],
    ['MALLOC_PERTURB_', 'nonsense'],
    ['MALLOC_ARENA_MAX', '-1'],
    ['ASAN_OPTIONS', 'nonsense'],
    ['UV_THREADPOOL_SIZE', 'nonsense'],
    ['SRIOV_CNI_REPORT', '1'],
  ])('whatever %s says', LIMIT, async (name, value) => {
    const output = await add(here, { env: { [name]: value } })
    expect(output).toMatchObject({ exitCode: 1, stderr: '' })
    expect(documentOf(output)).toEqual(NO_SUCH_NETNS)
  })

  test('although LD_PRELOAD names a library that ends the process', LIMIT, async () => {
    const library = join(here.folder, 'deadly.so')
    deadlyLibrary(library)
    // It would: that is what makes this a test.
    expect((await start('/bin/true', [], { env: { LD_PRELOAD: library } }).done).exitCode).toBe(77)
    expect(documentOf(await add(here, { env: { LD_PRELOAD: library } }))).toEqual(NO_SUCH_NETNS)
  })

  const ofOtherV8 = () =>
    writeBytecode((bytes) => {
      // Behind the checksum: a magic number, and what stands for V8's version.
      const other = flip(12)(bytes)
      other.writeBigUInt64LE(checksumOf(other.subarray(8)))
      return other
    })
  const damages: readonly (readonly [string, () => void])[] = [
    ['missing', () => rmSync(here.file('main.bytecode'))],
    ['empty', () => truncateSync(here.file('main.bytecode'))],
    ['cut', () => truncateSync(here.file('main.bytecode'), 100_000)],
    ['a folder', () => replaceBytecode(mkdirSync)],
    ['with a flipped bit in front', () => writeBytecode(flip(2))],
    ['with a flipped bit in the head', () => writeBytecode(flip(20))],
    ['with a flipped bit in the middle', () => writeBytecode(flip(90_000))],
    ['with a flipped bit at the end', () => writeBytecode((bytes) => flip(bytes.length - 1)(bytes))],
    ['with something behind it', () => writeBytecode((bytes) => Buffer.concat([bytes, Buffer.from('x')]))],
    ['of another version of V8, and whole', ofOtherV8],
    [
      'of another release',
      () => writeFileSync(here.file('main.cjs'), `${readFileSync(here.file('main.cjs'), 'utf8')}\n;`),
    ],
  ]
  test.each(damages)('with a bytecode that is %s', LIMIT, async (_, damage) => {
    damage()
    const output = await add(here)
    expect(output).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^$|"the bytecode is not of this/) })
    expect(documentOf(output)).toEqual(NO_SUCH_NETNS)
    rmSync(here.file('main.bytecode'), { recursive: true, force: true })
  })

  test.each([
    ['refuses', ofOtherV8, 'the bytecode is not of this Node.js'],
    ['takes', () => undefined, ''],
  ])('and the log says whether V8 %s the bytecode', LIMIT, async (_, damage, expected) => {
    damage()
    const log = join(here.folder, 'log/sriov.log')
    rmSync(log, { force: true })
    const output = await add(here, {
      env: { CNI_COMMAND: 'DEL' },
      conf: { logFile: '/var/log/sriov.log' },
      within: withinOwnFolders(here.folder),
    })
    expect(output).toMatchObject({ exitCode: 0, stdout: '' })
    const said = existsSync(log) ? readFileSync(log, 'utf8') : ''
    expect(said.includes('bytecode')).toBe(expected !== '')
    expect(said).toContain(expected)
  })

  test('when V8 dies of a bytecode that is whole all the same, and the log says so', LIMIT, async () => {
    const start = readFileSync(here.file('start.cjs'), 'utf8')
    writeFileSync(here.file('start.cjs'), `if (process.argv.length > 2) process.abort()\n${start}`)
    // What DEL has to do for a record that is not there is nothing, and it opens its log.
    const output = await add(here, {
      env: { CNI_COMMAND: 'DEL' },
      conf: { logFile: '/var/log/sriov.log' },
      within: withinOwnFolders(here.folder),
    })
    expect(output).toEqual({ exitCode: 0, signal: null, stdout: '', stderr: '' })
    expect(readFileSync(join(here.folder, 'log/sriov.log'), 'utf8')).toMatch(
      /was ended by signal 6:.*started a second time/,
    )
  })
})

describe.skipIf(missing)(`a call is answered (${missing ?? 'can run here'})`, () => {
  const said = 'libx.so: cannot open shared object file: No such file or directory "\\x01\\xff"'
  const failures: readonly (readonly [string, () => void, RegExp, number])[] = [
    ['is killed', () => replaceNode('kill -9 $$'), /ended by signal 9, with its bytecode and without\. Nothing was/, 2],
    ['crashes', () => replaceNode('kill -11 $$'), /ended by signal 11/, 2],
    ['ends without a word', () => replaceNode('exit 0'), /ended with status 0/, 2],
    ['complains', () => replaceNode(`printf '${said}' >&2; exit 127`), /ended with status 127/, 2],
    ['complains a lot', () => replaceNode('yes no | head -c 1000000 >&2; exit 1'), /ended with status 1/, 2],
    ['is missing', () => withoutLoader((node) => rmSync(node)), /could not be executed \(ENOENT\)/, 0],
    ['may not be executed', () => withoutLoader((node) => chmodSync(node, 0o644)), /EACCES/, 0],
    ['is empty', () => withoutLoader((node) => truncateSync(node)), /could not be executed/, 0],
    ['has no loader that runs', () => truncateSync(here.file('loader')), /could not be executed/, 0],
    ['has no plugin', () => rmSync(here.file('main.cjs')), /ended with status 1/, 0],
  ]
  test.each(failures)('when Node.js %s', LIMIT, async (_, damage, text, starts) => {
    damage()
    const output = await add(here)
    expect(output.exitCode).toBe(1)
    const { code, msg, details } = documentOf(output)
    expect(code).toBe(111)
    expect(msg).toMatch(text)
    // containerd takes these words in a DEL for success.
    expect(`${msg}${details}`).not.toMatch(/no such file|not found/i)
    expect(startsOf(here)).toBe(starts)
  })

  test('with what Node.js said', LIMIT, async () => {
    replaceNode(`printf '${said}' >&2; exit 127`)
    expect(documentOf(await add(here)).details).toMatch(/^libx\.so: cannot open shared object file: ENOENT "/)
  })

  test.each([
    ['SIGKILL', 9],
    ['SIGSEGV', 11],
  ])('once when the plugin had begun and ends by %s', LIMIT, async (signal, number) => {
    replacePlugin(here.folder, `begun(); process.kill(process.pid, '${signal}')`)
    const output = await add(here)
    expect(documentOf(output)).toMatchObject({ code: 111, msg: expect.stringContaining(`ended by signal ${number}`) })
    expect(documentOf(output).msg).toContain('DEL or GC gives it back')
    expect(startsOf(here)).toBe(1)
  })

  test('by the plugin when that dies after its answer', LIMIT, async () => {
    replacePlugin(here.folder, `begun(); writeSync(1, '{}'); answered(0); process.kill(process.pid, 'SIGKILL')`)
    expect(await add(here)).toEqual({ exitCode: 0, signal: null, stdout: '{}', stderr: '' })
  })

  test('by the plugin when it does not end after its answer', LIMIT, async () => {
    replacePlugin(here.folder, `begun(); writeSync(1, '{}'); answered(3); setInterval(() => undefined, 1000)`)
    expect(await add(here)).toEqual({ exitCode: 3, signal: null, stdout: '{}', stderr: '' })
    await expect.poll(() => processesOf(here.folder)).toEqual([])
  })

  test('without waiting for what the plugin has left running', LIMIT, async () => {
    replacePlugin(
      here.folder,
      `begun(); const { pid } = require('node:child_process').spawn('/bin/sleep', ['30'], { stdio: ['ignore', 'ignore', 'inherit'], detached: true })
      writeSync(1, String(pid)); answered(0); process.exit(0)`,
    )
    const { child } = start(here.plugin, [], { env: { CNI_COMMAND: 'ADD', SRIOV_CNI_SOCKET: '' }, stdin: '{}' })
    let pid = ''
    child.stdout?.on('data', (text) => {
      pid += text
    })
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0)
    process.kill(Number(pid), 'SIGKILL')
  })
})

describe.skipIf(missing)(`the plugin and its launcher (${missing ?? 'can run here'})`, () => {
  const waiting = `begun(); process.on('SIGTERM', () => { writeSync(1, '{"by":"SIGTERM"}'); answered(5); process.exit(5) })
    setInterval(() => undefined, 1000)`

  async function startWaiting() {
    replacePlugin(here.folder, waiting)
    const running = start(here.plugin, [], { env: { CNI_COMMAND: 'ADD', SRIOV_CNI_SOCKET: '' }, stdin: '{}' })
    await expect.poll(() => startsOf(here), { timeout: 10_000 }).toBe(1)
    // Its handler is set right behind.
    await new Promise((resolve) => setTimeout(resolve, 200))
    return running
  }

  test('a signal to the launcher reaches the plugin', LIMIT, async () => {
    const running = await startWaiting()
    running.child.kill('SIGTERM')
    expect(await running.done).toMatchObject({ exitCode: 5, signal: null, stdout: '{"by":"SIGTERM"}' })
  })

  test('a signal before the plugin has begun ends the call: it is not started again', LIMIT, async () => {
    replacePlugin(here.folder, 'setInterval(() => undefined, 1000)')
    const running = start(here.plugin, [], { env: { CNI_COMMAND: 'ADD', SRIOV_CNI_SOCKET: '' }, stdin: '{}' })
    await expect.poll(() => startsOf(here), { timeout: 10_000 }).toBe(1)
    running.child.kill('SIGTERM')
    expect(await running.done).toMatchObject({ exitCode: 1, stdout: expect.stringContaining('Nothing was changed') })
    expect(startsOf(here)).toBe(1)
  })

  test('the plugin ends with a launcher that is killed, and nothing stays', LIMIT, async () => {
    const running = await startWaiting()
    running.child.kill('SIGKILL')
    expect((await running.done).signal).toBe('SIGKILL')
    await expect.poll(() => processesOf(here.folder)).toEqual([])
  })

  test('the whole environment of the caller reaches the plugin', LIMIT, async () => {
    replacePlugin(here.folder, `begun(); writeSync(1, JSON.stringify(process.env)); answered(0)`)
    const env = { CNI_COMMAND: 'ADD', SRIOV_CNI_SOCKET: '', NODE_NAME: 'n1', LD_PRELOAD: '/x', EMPTY: '', ÄÖ: 'é=\n' }
    const { stdout } = await start(here.plugin, [], { env, stdin: '{}' }).done
    const prefixed = Object.fromEntries(Object.entries(env).map(([name, value]) => [`CALLER_${name}`, value]))
    expect(JSON.parse(stdout)).toEqual({ ...prefixed, SRIOV_CNI_REPORT: '3' })
  })

  test('stdin is whole in the second attempt', LIMIT, async () => {
    replacePlugin(
      here.folder,
      `if (process.argv.length > 2) process.abort()
      begun(); writeSync(1, readFileSync(0)); answered(0)`,
    )
    const env = { CNI_COMMAND: 'ADD', SRIOV_CNI_SOCKET: '' }
    const { stdout } = await start(here.plugin, [], { env, stdin: 'y'.repeat(100_000) }).done
    expect(stdout).toBe('y'.repeat(100_000))
    expect(startsOf(here)).toBe(2)
  })
})

describe.skipIf(missing)(`a root folder with nothing but the plugin (${missing ?? 'can run here'})`, () => {
  const root = () => join(here.folder, 'root')
  const inRoot = (released: Released) =>
    add({ ...released, plugin: '/opt/cni/bin/sriov' }, { within: ['/usr/sbin/chroot', root()] })

  const withPlugin = () => {
    rmSync(root(), { recursive: true, force: true })
    mkdirSync(join(root(), 'etc'), { recursive: true })
    return released(join(root(), 'opt/cni/bin'))
  }

  test('is enough: no /proc, no /dev, no C library', LIMIT, async () => {
    expect(documentOf(await inRoot(withPlugin()))).toEqual(NO_SUCH_NETNS)
  })

  test.each([
    ['ends the process', deadlyLibrary, { msg: expect.stringContaining('status 77') }],
    ['wants a newer C library', tooNewLibrary, { details: expect.stringContaining('GLIBC_9.99') }],
  ])('may have an /etc/ld.so.preload with a library that %s', LIMIT, async (_what, compile, complaint) => {
    const chrooted = withPlugin()
    compile(join(root(), 'agent.so'))
    writeFileSync(join(root(), 'etc/ld.so.preload'), '/agent.so\n')
    expect(documentOf(await inRoot(chrooted))).toEqual(NO_SUCH_NETNS)
    // The machine's own loader follows it: that is what makes this a test.
    copyFileSync('/lib64/ld-linux-x86-64.so.2', chrooted.file('loader'))
    expect(documentOf(await inRoot(chrooted))).toMatchObject({ code: 111, ...complaint })
  })
})
