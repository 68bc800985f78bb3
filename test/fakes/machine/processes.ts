import { PluginError } from '../../../src/errors.js'
import type { Exit, ProcessPort } from '../../../src/host/ports.js'
import type { Interference } from './interference.js'
import type { FakeWorld } from './world.js'

/** What a program is called with. */
export interface Start {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly stdin: string
  readonly args: readonly string[]
}

/** A program of a fake world: what it does when it is started, and what it leaves. */
export type Program = (start: Start, world: FakeWorld) => Omit<Exit, 'stderr'> & Partial<Exit>

/** The programs of a fake world. A child can be waited for once, as with waitpid(2). */
export function fakeProcesses(world: FakeWorld, interfere: Interference): ProcessPort {
  const refuse =
    (path: string, operation: string) =>
    (code: string): never => {
      throw new PluginError({ kind: 'kernel', operation, target: path, code })
    }
  return {
    start({ path, environment, stdin = '', args = [], isHeldBack = false }) {
      const what = [path, environment.CNI_COMMAND ?? '', ...args].join(' ')
      const find = () => world.programs.get(path) ?? refuse(path, 'start')('ENOENT')
      const run = (input: string) =>
        interfere(
          { kind: 'exec', what, isChange: true },
          () => find()({ environment, stdin: input, args }, world),
          refuse(path, 'start'),
        )
      let exit: ReturnType<typeof run> | undefined
      if (isHeldBack) {
        interfere({ kind: 'exec', what: `make ready ${what}`, isChange: false }, find, refuse(path, 'start'))
      } else {
        exit = run(stdin)
      }
      let isReaped = false
      return {
        begin() {
          exit ??= run(stdin)
        },
        async wait() {
          if (isReaped) {
            return refuse(path, 'wait for')('ECHILD')
          }
          isReaped = true
          return interfere(
            { kind: 'exec', what: `wait for ${what}`, isChange: false },
            () => ({ stderr: '', ...(exit ?? { status: 1, stdout: '' }) }),
            refuse(path, 'wait'),
          )
        },
      }
    },
  }
}
