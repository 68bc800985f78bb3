import { execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { constants, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { groupCommit } from '../../src/host/files/group-commit.js'
import { realFiles } from '../../src/host/files/real-files.js'
import { realProcesses } from '../../src/host/process/processes.js'
import { addon } from './netns.js'

const folder = mkdtempSync(join(tmpdir(), 'sriov-kernel-'))
const files = realFiles(addon(), folder)
const processes = realProcesses(addon())

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function script(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 })
  return path
}

describe('realProcesses()', () => {
  const run = (name: string, text: string, stdin = '', timeoutMs = 10_000) =>
    processes
      .start({ path: script(name, text), environment: { A: '1', PATH: '/bin:/usr/bin', B: undefined }, stdin })
      .wait(timeoutMs)

  test('hands over stdin and environment, and returns stdout and exit code', async () => {
    expect(await run('echo', 'cat; echo "$A:$B"; env | grep -c ^B=; exit 3', 'in\n')).toEqual({
      status: 3,
      stdout: 'in\n1:\n0\n',
      stderr: '',
    })
  })

  test('hands over 200 kB both ways', async () => {
    const text = 'x'.repeat(200_000)
    expect(await run('cat', 'cat', text)).toEqual({ status: 0, stdout: text, stderr: '' })
  })

  test('reports a signal as 128 and its number', async () => {
    expect((await run('signal', 'kill -TERM $$')).status).toBe(143)
  })

  test('kills a program that runs too long', async () => {
    const started = performance.now()
    expect((await run('sleep', 'exec sleep 20', '', 200)).status).toBe(137)
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  test('does not wait for a grandchild that lives on', async () => {
    const started = performance.now()
    expect(await run('orphan', 'sleep 3 & echo done')).toEqual({ status: 0, stdout: 'done\n', stderr: '' })
    expect(performance.now() - started).toBeLessThan(2_000)
  })

  test('keeps stdin back until it is told to begin', async () => {
    const seen = join(folder, 'seen')
    const path = script('late', `read line; echo "$line" > ${seen}`)
    const child = processes.start({ path, environment: { PATH: '/bin' }, stdin: 'now\n', isHeldBack: true })
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(existsSync(seen)).toBe(false)
    child.begin()
    child.begin()
    expect((await child.wait(10_000)).status).toBe(0)
    expect(readFileSync(seen, 'utf8')).toBe('now\n')
  })

  test('does not start a program whose stdin is more than can be kept back', () => {
    const seen = join(folder, 'seen-large')
    const path = script('large', `cat > ${seen}`)
    const stdin = 'x'.repeat(200_000)
    expect(() => processes.start({ path, environment: { PATH: '/bin' }, stdin, isHeldBack: true })).toThrow('ENOBUFS')
    expect(existsSync(seen)).toBe(false)
  })

  test('begins with a program that has ended by then', async () => {
    const child = processes.start({ path: script('gone', 'exit 0'), environment: {}, stdin: 'x', isHeldBack: true })
    await new Promise((resolve) => setTimeout(resolve, 100))
    child.begin()
    expect(await child.wait(10_000)).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  test('gives nothing to a program that was never told to begin', async () => {
    const path = script('never', 'cat | wc -c')
    const child = processes.start({ path, environment: { PATH: '/bin:/usr/bin' }, stdin: 'secret', isHeldBack: true })
    expect((await child.wait(10_000)).stdout).toBe('0\n')
  })

  test('hands over arguments, and keeps stderr where it is asked to', async () => {
    const path = script('words', 'echo "$1|$2"; echo "to stderr" >&2')
    const child = processes.start({ path, args: ['a b', ''], environment: {}, keepsStderr: true })
    expect(await child.wait(10_000)).toEqual({ status: 0, stdout: 'a b|\n', stderr: 'to stderr\n' })
  })

  test('says which program could not be started', () => {
    expect(() => processes.start({ path: join(folder, 'none'), environment: {} })).toThrow('none: ENOENT')
    expect(() => processes.start({ path: folder, environment: {} })).toThrow('EACCES')
  })

  test('leaves no descriptor open', async () => {
    await run('warm-up', 'true')
    const before = readdirSync('/proc/self/fd').length
    for (let i = 0; i < 20; i += 1) {
      await run('true', 'true')
    }
    expect(readdirSync('/proc/self/fd').length).toBe(before)
  })

  test('gives the program the default SIGPIPE and no descriptor of ours', async () => {
    const lock = files.tryLock('/held')
    const { stdout } = await run('status', 'grep SigIgn /proc/self/status; ls -l /proc/self/fd')
    lock?.[Symbol.dispose]()
    const ignored = BigInt(`0x${/SigIgn:\s*(\w+)/.exec(stdout)?.[1]}`)
    expect(ignored & (1n << 12n)).toBe(0n)
    expect(stdout).not.toContain('held')
    expect(stdout.match(/memfd:cni-\w+/g)).toEqual(['memfd:cni-stdin', 'memfd:cni-stdout'])
  })
})

describe('realProcesses() with a lock', () => {
  test('keeps the lock held until the program has ended, whatever becomes of us', async () => {
    const lock = files.tryLock('/handed')
    const path = script('holder', 'exec sleep 0.3')
    const child = processes.start({ path, environment: { PATH: '/bin:/usr/bin' }, held: lock })
    closeSync(lock?.fd ?? -1)
    expect(files.tryLock('/handed')).toBeUndefined()
    await child.wait(10_000)
    expect(files.tryLock('/handed')).toBeDefined()
  })

  test('stays with a program whose end could not be waited for, and no descriptor of ours stays', async () => {
    const failing = realProcesses(addon(), () => -24)
    const path = script('outliving', 'exec sleep 0.5')
    const before = readdirSync('/proc/self/fd').length
    const lock = files.tryLock('/outlived')
    const child = failing.start({ path, environment: { PATH: '/bin:/usr/bin' }, held: lock })
    await expect(child.wait(10_000)).rejects.toThrow('EMFILE')
    lock?.[Symbol.dispose]()
    expect(readdirSync('/proc/self/fd').length).toBe(before)
    expect(files.tryLock('/outlived')).toBeUndefined()
    await expect.poll(() => files.tryLock('/outlived')).toBeDefined()
  })

  test('is not kept by a helper that the program left behind, once we release the lock', async () => {
    const lock = files.tryLock('/forked')
    const path = script('forker', 'sleep 2 & exit 0')
    const child = processes.start({ path, environment: { PATH: '/bin:/usr/bin' }, held: lock })
    await child.wait(10_000)
    lock?.[Symbol.dispose]()
    const again = files.tryLock('/forked')
    expect(again).toBeDefined()
    again?.[Symbol.dispose]()
  })
})

describe('realFiles()', () => {
  test('writeDurably() replaces a file, with mode 0600 and no temporary file left', async () => {
    files.makeFolder('/state')
    await files.writeDurably('/state/a', 'one')
    await files.writeDurably('/state/a', 'two')
    files.write('/state/b', 'three')
    expect(files.readText('/state/a')).toBe('two')
    expect(readdirSync(join(folder, 'state')).sort()).toEqual(['a', 'b'])
    expect(statSync(join(folder, 'state/a')).mode & 0o777).toBe(0o600)
    expect(statSync(join(folder, 'state')).mode & 0o777).toBe(0o700)
  })

  test('prepare() leaves the file as it was until place(), and nothing when it is disposed of before', async () => {
    files.makeFolder('/prepared')
    await files.writeDurably('/prepared/a', 'one')
    const given = await files.prepare('/prepared/a', 'two')
    expect(files.readText('/prepared/a')).toBe('one')
    await given.place()
    given[Symbol.dispose]()
    expect(files.readText('/prepared/a')).toBe('two')
    const dropped = await files.prepare('/prepared/a', 'three')
    dropped[Symbol.dispose]()
    expect(files.readText('/prepared/a')).toBe('two')
    expect(readdirSync(join(folder, 'prepared'))).toEqual(['a'])
  })

  test('what is created is there at once, and onDisk tells when a thread has synced it, or that it cannot', async () => {
    const byThreads = realFiles(addon(), folder, groupCommit(addon()))
    byThreads.makeFolder('/threads')
    const written = ['a', 'b', 'c'].map((name) => byThreads.createDurably(`/threads/${name}`, name, '/threads/twin'))
    expect(byThreads.list('/threads')).toEqual(['a', 'b', 'c', 'twin'])
    await Promise.all(written.map((one) => one?.onDisk))
    const lost = byThreads.createDurably('/threads/d', 'd')
    byThreads.remove('/threads/d')
    await expect(lost?.onDisk).rejects.toThrow('ENOENT')
  })

  test('createDurably() makes a file and its twin once', () => {
    files.makeFolder('/create')
    const create = (text: string, twin: string) => files.createDurably('/create/a', text, `/create/${twin}`)
    expect([create('one', 't1') !== undefined, create('two', 't2') !== undefined]).toEqual([true, false])
    expect(readFileSync(join(folder, 'create/a'), 'utf8')).toBe('one')
    expect(readFileSync(join(folder, 'create/t1'), 'utf8')).toBe('one')
    expect(files.list('/create')).toEqual(['a', 't1'])
  })

  test('what is absent is undefined or empty, what is refused throws', async () => {
    expect([files.readText('/none'), files.readLink('/none'), files.list('/none'), files.exists('/none')]).toEqual([
      undefined,
      undefined,
      [],
      false,
    ])
    expect(files.readText('/create/a/below')).toBeUndefined()
    expect(files.readText('/create')).toBeUndefined()
    await expect(files.writeDurably('/nowhere/a', 'x')).rejects.toThrow('ENOENT')
    files.remove('/none')
  })

  test('readText() neither waits for a FIFO nor reads a device', () => {
    execFileSync('mkfifo', [join(folder, 'fifo')])
    expect(() => files.readText('/fifo')).toThrow('EPERM')
    symlinkSync('/dev/zero', join(folder, 'zero'))
    expect(() => files.readText('/zero')).toThrow('EPERM')
  })

  test('readText() refuses a file that is too large to be one of ours', () => {
    execFileSync('truncate', ['--size=17M', join(folder, 'large')])
    expect(() => files.readText('/large')).toThrow('EFBIG')
  })

  test('tryLock() never takes a lock file that was removed by its holder', async () => {
    const lock = files.tryLock('/removed')
    const child = spawn('sh', ['-c', 'exec 9>>removed; echo opened; flock 9; echo held; exec sleep 20'], {
      cwd: folder,
    })
    await new Promise((resolve) => child.stdout.once('data', resolve))
    files.remove('/removed')
    lock?.[Symbol.dispose]()
    await new Promise((resolve) => child.stdout.once('data', resolve))
    // The child has the lock of a file without a name, as a program would that does not look.
    const mine = files.tryLock('/removed')
    expect(mine).toBeDefined()
    expect(files.tryLock('/removed')).toBeUndefined()
    mine?.[Symbol.dispose]()
    child.kill('SIGKILL')
    const fd = openSync(join(folder, 'removed'), 'a')
    files.remove('/removed')
    expect(addon().tryLock(fd, join(folder, 'removed'))).toBe(-constants.errno.ESTALE)
    closeSync(fd)
  })

  test('tryLock() excludes this process and another until it is released', async () => {
    const lock = files.tryLock('/lock')
    expect(lock).toBeDefined()
    expect(files.tryLock('/lock')).toBeUndefined()
    lock?.[Symbol.dispose]()
    const child = spawn('flock', ['-F', join(folder, 'lock'), 'sh', '-c', 'echo held; exec sleep 20'])
    await new Promise((resolve) => child.stdout.once('data', resolve))
    expect(files.tryLock('/lock')).toBeUndefined()
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    await expect.poll(() => files.tryLock('/lock')).toBeDefined()
  })
})
