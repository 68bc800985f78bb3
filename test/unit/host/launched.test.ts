import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import {
  CALLER_PREFIX,
  FALLBACK_VARIABLE,
  launched,
  REPORT_ANSWERED,
  REPORT_BEGUN,
  REPORT_VARIABLE,
} from '../../../src/host/process/launched.js'

const SHIM = ['attempt.h', 'node.h', 'one_shot.c']
  .map((name) => readFileSync(new URL(`../../../native/shim/${name}`, import.meta.url), 'utf8'))
  .join('')

describe('launched()', () => {
  test('has the words of the launcher', () => {
    const words = { CALLER_PREFIX, REPORT_VARIABLE, REPORT_BEGUN, REPORT_ANSWERED, FALLBACK_VARIABLE }
    const inShim = (name: string) => new RegExp(`^#define ${name} ["'](.+)["']$`, 'm').exec(SHIM)?.[1]
    expect(Object.fromEntries(Object.keys(words).map((name) => [name, inShim(name)]))).toEqual(words)
  })

  test('gives the caller its names back, and lets the launcher have the last word', () => {
    const { environment, fallback } = launched({
      CALLER_CNI_COMMAND: 'ADD',
      CALLER_CALLER_X: 'twice',
      CALLER___proto__: 'p',
      CALLER_SRIOV_CNI_AGAIN: '0',
      SRIOV_CNI_AGAIN: '1',
      SRIOV_CNI_REPORT: '3',
      SRIOV_CNI_FALLBACK: 'why',
    })
    expect(Object.entries(environment)).toEqual([
      ['CNI_COMMAND', 'ADD'],
      ['CALLER_X', 'twice'],
      ['__proto__', 'p'],
      ['SRIOV_CNI_AGAIN', '1'],
    ])
    expect(fallback).toBe('why')
  })

  test('does without a launcher', () => {
    const { environment, fallback, begun, answered } = launched({ CNI_COMMAND: 'ADD' })
    begun()
    answered(1)
    expect({ ...environment }).toEqual({ CNI_COMMAND: 'ADD' })
    expect(fallback).toBeUndefined()
  })

  test('reports on its descriptor, and does not begin when it cannot', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sriov-report-'))
    const path = join(folder, 'report')
    const { begun, answered } = launched({ SRIOV_CNI_REPORT: String(openSync(path, 'w')) })
    begun()
    answered(17)
    expect(readFileSync(path)).toEqual(Buffer.from([66, 65, 17]))
    rmSync(folder, { recursive: true })
    const unheard = launched({ SRIOV_CNI_REPORT: '999' })
    expect(() => unheard.begun()).toThrow('EBADF')
    expect(() => unheard.answered(0)).not.toThrow()
  })
})
