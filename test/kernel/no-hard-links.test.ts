import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { realFiles } from '../../src/host/files/real-files.js'
import { addon } from './netns.js'

// Whatever lies below: no file system at hand has names like ours and no hard links.
vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  linkSync: () => {
    throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' })
  },
}))

const folder = mkdtempSync(join(tmpdir(), 'sriov-no-links-'))
const files = realFiles(addon(), folder)
const textOf = (name: string) => readFileSync(join(folder, 'state', name), 'utf8')

beforeEach(() => {
  rmSync(join(folder, 'state'), { recursive: true, force: true })
  files.makeFolder('/state')
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('on a file system without hard links', () => {
  test('createDurably() makes a file and its twin once, and leaves nothing else', () => {
    const create = (text: string, twin: string) => files.createDurably('/state/a', text, `/state/${twin}`)
    expect([create('one', 't1') !== undefined, create('two', 't2') !== undefined]).toEqual([true, false])
    expect([textOf('a'), textOf('t1')]).toEqual(['one', 'one'])
    expect(readdirSync(join(folder, 'state'))).toEqual(['a', 't1'])
    expect(statSync(join(folder, 'state/a')).mode & 0o777).toBe(0o600)
  })

  test('createDurably() takes the name of a twin from another file', () => {
    files.createDurably('/state/a', 'one', '/state/twin')
    expect(files.createDurably('/state/b', 'two', '/state/twin')).toBeDefined()
    expect([textOf('a'), textOf('b'), textOf('twin')]).toEqual(['one', 'two', 'two'])
  })

  test('writeWhole() replaces a file and its twin', async () => {
    files.createDurably('/state/a', 'one', '/state/twin')
    await files.writeWhole('/state/a', 'two', '/state/twin')
    expect([textOf('a'), textOf('twin')]).toEqual(['two', 'two'])
    expect(readdirSync(join(folder, 'state'))).toEqual(['a', 'twin'])
  })

  test('a folder that is gone is still an error', () => {
    expect(() => files.createDurably('/nowhere/a', 'x', '/nowhere/t')).toThrow('ENOENT')
    expect(existsSync(join(folder, 'nowhere'))).toBe(false)
  })
})
