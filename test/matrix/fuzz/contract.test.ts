import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { build, type Options } from 'tsup'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { errnoOf } from '../../../src/errors.js'
import config from '../../../tsup.config.js'
import { missingForOwnFolders, withinOwnFolders } from '../../contract/own-folders.js'
import { count } from '../../counts.js'
import { environments } from './environments.js'
import { stdinText } from './inputs.js'
import { FUZZ_SEED } from './seed.js'
import { malformation } from './well-formed.js'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const CALL_TIMEOUT_MS = 60_000
const LIMIT = { timeout: 300_000 }

let folder = ''

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sriov-fuzz-'))
  const [plugin] = [config].flat()
  await build({ ...(plugin as Options), config: false, silent: true, outDir: folder })
  copyFileSync(join(ROOT, 'build/Release/sriov_native.node'), join(folder, 'sriov_native.node'))
}, 60_000)

afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** A namespace and PCI devices that are not there: whatever an input asks for, nothing of this machine is touched. */
const NOWHERE = '/run/netns/sriov-fuzz-none'

const nowhere = (text: string): string => text.replaceAll('0000:01:', 'ffff:01:')

function run(environment: Readonly<Record<string, string | undefined>>, input: string | Buffer) {
  const [program = '', ...args] = [...withinOwnFolders(folder), process.execPath, join(folder, 'main.cjs')]
  const variables = Object.entries(environment).filter(([, value]) => value !== undefined && !value.includes('\0'))
  const { status, stdout, error } = spawnSync(program, args, {
    cwd: '/',
    env: Object.fromEntries(variables),
    input,
    encoding: 'utf8',
    timeout: CALL_TIMEOUT_MS,
  })
  return { exitCode: status ?? -1, stdout, error }
}

function requireAnswer(environment: Readonly<Record<string, string | undefined>>, input: string | Buffer): void {
  count('fuzz inputs')
  const { exitCode, stdout, error } = run(environment, input)
  // VERSION answers and is gone before a large stdin is written.
  const isFailure = error !== undefined && errnoOf(error) !== 'EPIPE'
  const problem = isFailure ? error.message : malformation({ exitCode, stdout })
  const shown = `${JSON.stringify(environment)} ${JSON.stringify(input.toString()).slice(0, 1000)}`
  expect(problem, `seed ${FUZZ_SEED}: ${shown}`).toBeUndefined()
}

const CALLER = {
  CNI_CONTAINERID: 'fuzz',
  CNI_NETNS: NOWHERE,
  CNI_IFNAME: 'net1',
  CNI_PATH: '/nowhere',
}

const VERBS = ['VERSION', 'ADD', 'DEL', 'CHECK', 'GC', 'STATUS'] as const

const samples = <Input>(inputs: fc.Arbitrary<Input>, runs: number, salt: number): Input[] =>
  fc.sample(inputs, { seed: FUZZ_SEED + salt, numRuns: runs })

describe.skipIf(missingForOwnFolders)(
  `the built plugin, seed ${FUZZ_SEED} (${missingForOwnFolders ?? 'can run here'})`,
  () => {
    test.each(VERBS)('%s answers whatever is on stdin', LIMIT, (verb) => {
      for (const text of samples(stdinText, 16, VERBS.indexOf(verb))) {
        requireAnswer({ ...CALLER, CNI_COMMAND: verb }, nowhere(text))
      }
    })

    test('answers whatever its environment is', LIMIT, () => {
      const conf = '{"cniVersion":"1.1.0","name":"n","type":"sriov","deviceID":"0000:01:10.0"}'
      for (const environment of samples(environments, 50, 10)) {
        const { CNI_NETNS } = environment
        requireAnswer(
          { ...environment, CNI_NETNS: CNI_NETNS === '/run/netns/pod-a' ? NOWHERE : CNI_NETNS, CNI_PATH: '/nowhere' },
          nowhere(conf),
        )
      }
    })

    test('answers bytes that are no text', LIMIT, () => {
      for (const bytes of samples(fc.uint8Array({ maxLength: 300 }), 15, 20)) {
        requireAnswer({ ...CALLER, CNI_COMMAND: 'ADD' }, Buffer.from(bytes))
      }
    })

    test('left no attachment in its state folder', () => {
      const state = join(folder, 'lib/cni/sriov')
      const left = existsSync(state)
        ? readdirSync(state).filter((name) => name !== 'pci' && !name.startsWith('.journal'))
        : []
      expect(left).toEqual([])
    })
  },
)
