import { execFileSync } from 'node:child_process'
import {
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { openClosableLogWriter } from '../../src/host/stdio/log-writer.js'

const folder = mkdtempSync(join(tmpdir(), 'sriov-log-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function logTo(file: string): string {
  let collected = ''
  const { write, close } = openClosableLogWriter(file, {
    write(text) {
      collected += text
    },
  })
  write('info', 'a line', { device: '0000:01:10.4' })
  close()
  return collected
}

describe('openClosableLogWriter()', () => {
  test('appends to a file, below folders that it makes', () => {
    const file = join(folder, 'made/for/it.log')
    expect([logTo(file), logTo(file)]).toEqual(['', ''])
    expect(readFileSync(file, 'utf8').trim().split('\n')).toHaveLength(2)
  })

  test('follows no link, and takes no file with a second name, of another user, or of another program', () => {
    const file = join(folder, 'victim')
    writeFileSync(file, 'as it was')
    symlinkSync(file, join(folder, 'link'))
    linkSync(file, join(folder, 'second-name'))
    const ofAnother = join(folder, 'of-another')
    writeFileSync(ofAnother, 'as it was')
    chownSync(ofAnother, 1000, 1000)
    const noLog = join(folder, 'no-log')
    writeFileSync(noLog, 'as it was')
    for (const path of [join(folder, 'link'), join(folder, 'second-name'), ofAnother, noLog]) {
      expect(logTo(path)).toMatch(/cannot open the log file.*\n.*a line/)
    }
    expect([file, ofAnother, noLog].map((path) => readFileSync(path, 'utf8'))).toEqual(Array(3).fill('as it was'))
  })

  test('leaves no descriptor open on a disk that is full', async () => {
    const disk = join(folder, 'disk')
    mkdirSync(disk)
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'tmpfs', disk])
    try {
      const file = join(disk, 'sriov.log')
      const open = () => readdirSync('/proc/self/fd').length
      const before = open()
      for (let i = 0; i < 60; i += 1) {
        logTo(file)
      }
      expect(statSync(file).size).toBeGreaterThan(3000)
      await expect.poll(open).toBeLessThanOrEqual(before)
    } finally {
      execFileSync('umount', [disk])
    }
  })

  test('neither waits for the reader of a FIFO nor writes to a device: the lines go where they went without it', () => {
    const fifo = join(folder, 'fifo')
    execFileSync('mkfifo', [fifo])
    for (const path of [fifo, '/dev/null', folder]) {
      expect(logTo(path)).toMatch(/cannot open the log file.*\n.*a line/)
    }
  })
})
