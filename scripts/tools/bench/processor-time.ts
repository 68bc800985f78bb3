import { readFileSync } from 'node:fs'

/** The resident process. */
const { BENCH_DAEMON = '' } = process.env

const TICKS_PER_SECOND = 100

/** Seconds of user and system time: of a process itself, and of its children that have ended (proc_pid_stat(5)). */
function cpuSeconds(pid: string): { readonly own: number; readonly children: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  const at = (field: number) => Number(fields[field - 3]) / TICKS_PER_SECOND
  return { own: at(14) + at(15), children: at(16) + at(17) }
}

/**
 * Seconds that calls have cost until now: the programs that this process has started, and the resident process with its
 * own. What the kernel's threads do for them is not in it.
 */
export function spentOn(): number {
  const daemon = cpuSeconds(BENCH_DAEMON)
  return cpuSeconds('self').children + daemon.own + daemon.children
}
