import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { PATIENCE_MS } from '../host/patience.js'

/** What a testpmd is to do with its one port. */
export interface TestpmdOptions {
  /** PCI address of a VF that is bound to vfio-pci. */
  readonly device: string
  readonly mode: 'rxonly' | 'txonly'
  /** Where `txonly` sends to. */
  readonly peerMac?: string
  /** A namespace made by `ip netns add`; without it, the host's. */
  readonly netns?: string
  /** Words in front of its command line. */
  readonly within?: readonly string[]
}

/** What a testpmd counted between `startTestpmd` and `stop`. */
export interface TestpmdCounts {
  readonly rxPackets: number
  readonly txPackets: number
  /** All that it printed, standard output and standard error as they came. */
  readonly output: string
}

/** A testpmd that forwards packets. */
export interface Testpmd {
  readonly pid: number
  /** The port's MAC address as DPDK found it, in lower case. */
  portMac(): string
  /** Ends it in good order, which closes the device, and tells what it counted. A second call gives the same. */
  stop(): Promise<TestpmdCounts>
  /** SIGKILL; resolves when it is gone and the device is closed. */
  kill(): Promise<void>
}

/** A child process, what it printed so far, and how it ended. */
interface Watched {
  readonly child: ChildProcessWithoutNullStreams
  readonly closed: Promise<void>
  output: string
  /** Set as soon as it has ended. */
  end?: string
}

const POLL_MS = 50

// Without a port it goes on all the same, and waits for commands.
const PORT = /^Port 0: ((?:[0-9A-F]{2}:){5}[0-9A-F]{2})$|No probed ethernet devices/m
// The last words of `start`.
const FORWARDING = /TX offloads=0x[0-9a-f]+ - TX RS bit threshold/
const TOTALS = /Accumulated forward statistics[\s\S]*?RX-packets: (\d+)[\s\S]*?TX-packets: (\d+)/

// Every one of them leaves an empty folder here, named after its prefix.
const RUN_FOLDER = '/run/dpdk'

const alive = new Set<Watched>()

// Both threads may run on either of the guest's processors: pinned ones of two testpmds would share one.
// Without huge pages and shared files nothing has to be set up, and two of them do not meet.
const EAL = ['--lcores', '(0-1)@(0-1)', '--no-huge', '-m', '64', '--no-shconf', '--no-telemetry']

function commandOf({ device, mode, peerMac, netns, within = [] }: TestpmdOptions): string[] {
  const inside = [...(netns === undefined ? [] : ['ip', 'netns', 'exec', netns]), ...within]
  // Its standard output is a pipe, so without stdbuf it tells nothing until it ends.
  const program = ['stdbuf', '-oL', 'dpdk-testpmd', ...EAL, `--file-prefix=${device}`, '-a', device]
  const peer = peerMac === undefined ? [] : [`--eth-peer=0,${peerMac}`]
  return [...inside, ...program, '--', '-i', '--total-num-mbufs=2048', `--forward-mode=${mode}`, ...peer]
}

function watch(options: TestpmdOptions): Watched {
  const [file = '', ...args] = commandOf(options)
  const child = spawn(file, args, { detached: true })
  const closed = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      watched.end ??= error.message
      resolve()
    })
    child.on('close', (code, signal) => {
      watched.end ??= signal ?? `exit status ${code}`
      alive.delete(watched)
      rmSync(`${RUN_FOLDER}/${options.device}`, { recursive: true, force: true })
      resolve()
    })
  })
  const watched: Watched = { child, closed, output: '' }
  alive.add(watched)
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      watched.output += text
    })
  }
  // It may end while a command is on its way.
  child.stdin.on('error', () => undefined)
  return watched
}

const failure = (what: string, { output }: Watched): Error => new Error(`testpmd: ${what}\n${output}`)

/** Waits until it has printed something, and returns the match. */
async function printed(watched: Watched, pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    // Asked before the output is looked at: at its end the output is complete.
    const { end } = watched
    const match = pattern.exec(watched.output)
    if (match) {
      return match
    }
    if (end !== undefined) {
      throw failure(`${end} before it printed ${pattern}`, watched)
    }
    if (performance.now() > deadline) {
      throw failure(`it did not print ${pattern} within ${timeoutMs} ms`, watched)
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

async function killed(watched: Watched): Promise<void> {
  const { child, closed } = watched
  try {
    if (child.pid !== undefined && watched.end === undefined) {
      process.kill(-child.pid, 'SIGKILL')
    }
  } catch {
    // It has ended already.
  }
  await closed
  alive.delete(watched)
}

async function ended(watched: Watched): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE_MS)
  })
  await Promise.race([watched.closed, timeout])
  clearTimeout(timer)
  if (watched.end === undefined) {
    throw failure(`it did not end within ${PATIENCE_MS} ms`, watched)
  }
}

/** Does something with a testpmd, which is gone if that fails. */
async function orKill<T>(watched: Watched, step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (error) {
    await killed(watched)
    throw error
  }
}

async function begin(watched: Watched, device: string): Promise<string> {
  const [, mac] = await printed(watched, PORT, PATIENCE_MS)
  if (mac === undefined) {
    throw failure(`it cannot drive ${device}: is that bound to vfio-pci?`, watched)
  }
  watched.child.stdin.write('start\n')
  await printed(watched, FORWARDING, PATIENCE_MS)
  return mac.toLowerCase()
}

async function finish(watched: Watched): Promise<TestpmdCounts> {
  watched.child.stdin.end('stop\nquit\n')
  await ended(watched)
  const [, rx, tx] = await printed(watched, TOTALS, 0)
  if (watched.end !== 'exit status 0') {
    throw failure(`${watched.end}`, watched)
  }
  return { rxPackets: Number(rx), txPackets: Number(tx), output: watched.output }
}

/**
 * Starts a testpmd and waits until it forwards packets, some 3 s in the guest.
 * If that fails, nothing of it is left.
 */
export async function startTestpmd(options: TestpmdOptions): Promise<Testpmd> {
  const watched = watch(options)
  const mac = await orKill(watched, () => begin(watched, options.device))
  let stopped: Promise<TestpmdCounts> | undefined
  return {
    pid: watched.child.pid ?? 0,
    portMac: () => mac,
    stop() {
      stopped ??= orKill(watched, () => finish(watched))
      return stopped
    },
    kill: () => killed(watched),
  }
}

/** Kills every testpmd that still runs; for the end of a test, whatever became of it. */
export async function killTestpmds(): Promise<void> {
  await Promise.all([...alive].map(killed))
}
