import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { ROOT } from '../netns.js'

const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-g', '-Wall', '-Wextra', '-Wno-missing-field-initializers']

export interface CompileOptions {
  readonly compiler?: string
  readonly flags?: readonly string[]
}

/** Compiles the mechanisms of the addon together with the C program that exercises them. */
export function compileHarness(
  program: string,
  { compiler = 'cc', flags = [] }: CompileOptions = {},
): SpawnSyncReturns<string> {
  const native = join(ROOT, 'native')
  const sourcesIn = (folder: string) => readdirSync(folder).filter((name) => name.endsWith('.c') && name !== 'glue.c')
  const files = [native, join(ROOT, 'test/kernel/native')].flatMap((folder) =>
    sourcesIn(folder).map((name) => join(folder, name)),
  )
  return spawnSync(compiler, [...FLAGS, ...flags, '-I', native, '-o', program, ...files], { encoding: 'utf8' })
}
