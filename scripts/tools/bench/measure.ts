import { join } from 'node:path'
import { loadAddon } from '../../../src/host/addon.js'
import type { Command, Exit } from '../../../src/host/ports.js'
import { realProcesses } from '../../../src/host/process/processes.js'
import type { Bed, Case } from './cases.js'

const TIMEOUT_MS = 300_000

const processes = realProcesses(loadAddon(join(process.cwd(), 'build/Release')))

/** How commands that were started together have ended. */
export interface Ended {
  /** Until the last one ended. */
  readonly elapsedMs: number
  readonly exits: readonly Exit[]
}

/** Starts commands together and waits for the last one. By posix_spawn: cheap, and the same for all. */
export async function runAll(commands: readonly Command[]): Promise<Ended> {
  const begin = performance.now()
  const children = commands.map((command) => processes.start({ ...command, keepsStderr: true }))
  const exits = []
  for (const child of children) {
    exits.push(await child.wait(TIMEOUT_MS))
  }
  return { elapsedMs: performance.now() - begin, exits }
}

/** The same in milliseconds, for commands that must end with one status. */
export async function time(commands: readonly Command[], wantedStatus = 0): Promise<number> {
  const { elapsedMs, exits } = await runAll(commands)
  exits.forEach(({ status, stdout, stderr }, i) => {
    if (status !== wantedStatus) {
      const { path, environment } = commands[i] ?? { path: '', environment: {} }
      throw new Error(`${path} ${environment.CNI_COMMAND ?? ''}: exit status ${status}\n${stdout}${stderr}`)
    }
  })
  return elapsedMs
}

/** The figures of one case: milliseconds, a figure for each round. */
export interface Figures {
  readonly name: string
  readonly addMs: number[]
  readonly delMs: number[]
}

/**
 * A move waits for two RCU grace periods of 8 ms if one is under way when it begins, for one if none is, and ends with a tick
 * of the clock (4 ms at HZ=250). So a call waits until what the one before has left behind is over, and begins at any time.
 */
const QUIET_MS = 25
const TICKS_MS = 8

const untilAnyTime = () => new Promise((resolve) => setTimeout(resolve, QUIET_MS + Math.random() * TICKS_MS))

/**
 * Measures cases in turns, so that whatever disturbs the machine disturbs all of them: in each round each case once,
 * with all beds at once.
 */
export async function measure(
  cases: readonly Case[],
  beds: readonly Bed[],
  { rounds, warmUp, onRound }: { rounds: number; warmUp: number; onRound: (round: number) => void },
): Promise<Figures[]> {
  const figures = cases.map(({ name }): Figures => ({ name, addMs: [], delMs: [] }))
  for (let round = -warmUp; round < rounds; round += 1) {
    for (const [i, one] of cases.entries()) {
      await untilAnyTime()
      const addMs = await time(
        beds.map((bed) => one.add(bed)),
        one.status,
      )
      await untilAnyTime()
      const delMs = one.del && (await time(beds.map((bed) => one.del?.(bed) ?? one.add(bed))))
      if (round >= 0) {
        figures[i]?.addMs.push(addMs)
        if (delMs !== undefined) {
          figures[i]?.delMs.push(delMs)
        }
      }
    }
    onRound(round)
  }
  return figures
}
