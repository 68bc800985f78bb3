import { linkSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, describe, expect, test } from 'vitest'
import { appendBounded } from '../../src/host/files/bounded-file.js'

const folder = mkdtempSync('/tmp/bounded-')
const path = `${folder}/journal`
const limits = { maxBytes: 1000, fullTo: `${path}.1` }

afterAll(() => rmSync(folder, { recursive: true }))

describe('a file that grows up to a size', () => {
  test('gets its other name when it is full; no line is lost meanwhile', () => {
    const lines = Array.from({ length: 150 }, (_, i) => `line ${String(i).padStart(4, '0')}\n`)
    for (const line of lines) {
      appendBounded(path, line, limits)
    }
    expect(statSync(path).mode & 0o777).toBe(0o600)
    expect(readFileSync(`${path}.1`, 'utf8') + readFileSync(path, 'utf8')).toBe(lines.join(''))
    expect(statSync(`${path}.1`).size).toBeLessThanOrEqual(1010)
  })

  test.each([
    ['a link', (victim: string, at: string) => symlinkSync(victim, at)],
    ['a second name of a file', (victim: string, at: string) => linkSync(victim, at)],
    ['a folder', (_victim: string, at: string) => mkdirSync(at)],
  ])('%s in its place is left alone', (_what, plant) => {
    const victim = `${folder}/victim`
    writeFileSync(victim, 'its own\n')
    rmSync(path, { force: true, recursive: true })
    plant(victim, path)
    expect(() => appendBounded(path, 'line\n', limits)).toThrow()
    expect(readFileSync(victim, 'utf8')).toBe('its own\n')
    rmSync(victim)
  })
})
