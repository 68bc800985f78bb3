import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { missingCapability, ROOT } from './netns.js'

const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-g', '-Wall', '-Wextra', '-Wno-missing-field-initializers']
const SANITIZERS = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all']

const folder = mkdtempSync(join(tmpdir(), 'sriov-native-'))

function compile() {
  const native = join(ROOT, 'native')
  const sources = readdirSync(native).filter((name) => name.endsWith('.c') && name !== 'glue.c')
  const harness = join(ROOT, 'test/kernel/native')
  const tests = readdirSync(harness).filter((name) => name.endsWith('.c'))
  const program = join(folder, 'harness')
  const files = [...sources.map((name) => join(native, name)), ...tests.map((name) => join(harness, name))]
  const arguments_ = [...FLAGS, ...SANITIZERS, '-I', native, '-o', program, ...files]
  return { program, ...spawnSync('cc', arguments_, { encoding: 'utf8' }) }
}

const compiled = compile()
const missing = missingCapability() ?? (compiled.error ? 'needs a C compiler' : undefined)

describe.skipIf(missing)(`the mechanisms under sanitizers (${missing ?? 'can run here'})`, () => {
  test('compile without a warning', () => {
    expect(compiled).toMatchObject({ status: 0, stderr: '' })
  })

  // The harness starts in a namespace made for it, and makes a second one.
  test('work, keep to their memory and leave no descriptor open', () => {
    const { status, stdout, stderr } = spawnSync('unshare', ['--net', compiled.program], { encoding: 'utf8' })
    rmSync(folder, { recursive: true, force: true })
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: 'all mechanisms work\n', stderr: '' })
  })
})
