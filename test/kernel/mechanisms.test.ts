import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compileHarness } from './native/compile.js'
import { missingCapability } from './netns.js'

const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']

const folder = mkdtempSync(join(tmpdir(), 'sriov-native-'))
const program = join(folder, 'harness')

const compiled = compileHarness(program, { flags: SANITIZERS })
const missing = missingCapability() ?? (compiled.error ? 'needs a C compiler' : undefined)

describe.skipIf(missing)(`the mechanisms under sanitizers (${missing ?? 'can run here'})`, () => {
  test('compile without a warning', () => {
    expect(compiled).toMatchObject({ status: 0, stderr: '' })
  })

  // The harness starts in a namespace made for it, and makes a second one.
  test('work, keep to their memory and leave no descriptor open', () => {
    const { status, stdout, stderr } = spawnSync('unshare', ['--net', program], { encoding: 'utf8' })
    rmSync(folder, { recursive: true, force: true })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'all mechanisms work\n', stderr: '' })
  })
})
