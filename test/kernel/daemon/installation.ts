import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, type Options } from 'tsup'
import config from '../../../tsup.config.js'
import { ROOT } from '../netns.js'

const TOLD_DEVICES = join(ROOT, 'test/kernel/daemon/told-devices.ts')
const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-g', '-Wall', '-Wextra', '-Werror']

/** What a program left. */
export interface Output {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** The output of a program that succeeded. @throws Error with what it said when it failed */
export function succeeded(output: Output): Output {
  if (output.exitCode !== 0) {
    throw new Error(`it failed with ${output.exitCode ?? output.signal}: ${output.stdout}${output.stderr}`)
  }
  return output
}

export interface Running {
  readonly child: ChildProcess
  readonly done: Promise<Output>
}

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Without it stdin is open and says nothing. */
  readonly stdin?: string | Buffer
  /** Words in front of the command line. */
  readonly within?: readonly string[]
}

/** Starts a program with nothing but the environment given. */
export function start(
  path: string,
  args: readonly string[],
  { env = {}, stdin, within = [] }: StartOptions = {},
): Running {
  const [command = path, ...words] = [...within, path, ...args]
  const child = spawn(command, words, { env, cwd: '/', stdio: 'pipe' })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (chunk) => {
    stdout += chunk
  })
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdin.on('error', () => undefined)
  if (stdin !== undefined) {
    child.stdin.end(stdin)
  }
  const done = new Promise<Output>((resolve) => {
    child.once('close', (exitCode, signal) => {
      child.stdin.destroy()
      resolve({ exitCode, signal, stdout, stderr })
    })
  })
  return { child, done }
}

/** The plugin in a folder of its own, as scripts/install lays it out, started by the node that runs the tests. */
export interface Installation {
  readonly folder: string
  readonly plugin: string
  readonly sriovctl: string
  readonly socket: string
  /** Makes another release the current one. */
  upgrade(): void
  remove(): void
}

/**
 * Installs into a new folder. `isSanitized`: a launcher that ends with a report when it misuses memory. `hasOneShot`:
 * false makes sure that nobody but a resident process can have answered.
 */
export async function install({ isSanitized = false, hasOneShot = true } = {}): Promise<Installation> {
  const folder = mkdtempSync(join(tmpdir(), 'sriov-installed-'))
  const base = join(folder, '.sriov')
  const release = join(base, 'release-1')
  mkdirSync(release, { recursive: true })
  const shim = join(ROOT, 'native/shim')
  const sources = readdirSync(shim).filter((name) => name.endsWith('.c'))
  const more = isSanitized ? ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'] : ['-O2', '-static']
  const plugin = join(folder, 'sriov')
  execFileSync('cc', [...FLAGS, ...more, '-o', plugin, ...sources.map((name) => join(shim, name))])
  copyFileSync(plugin, join(base, 'sriovctl'))
  const [bundle] = [config].flat()
  await build({ ...(bundle as Options), config: false, silent: true, outDir: release, inject: [TOLD_DEVICES] })
  copyFileSync(join(ROOT, 'build/Release/sriov_native.node'), join(release, 'sriov_native.node'))
  symlinkSync(process.execPath, join(release, 'node'))
  symlinkSync('release-1', join(base, 'current'))
  if (!hasOneShot) {
    rmSync(join(release, 'start.cjs'))
  }
  return {
    folder,
    plugin,
    sriovctl: join(base, 'sriovctl'),
    socket: join(folder, 'run/daemon.sock'),
    upgrade() {
      execFileSync('sh', ['-ec', 'cp -a release-1 release-2; ln -s release-2 next; mv -fT next current'], { cwd: base })
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

/** What a stand-in for the plugin has at hand: src/host/process/launched.ts in plain JavaScript, and a count of its starts. */
const STAND_IN = `
  const { appendFileSync, readFileSync, writeSync } = require('node:fs')
  const report = (bytes) => writeSync(Number(process.env.SRIOV_CNI_REPORT), Buffer.from(bytes))
  const begun = () => report('B')
  const answered = (code) => report([65, code])
  appendFileSync(__dirname + '/starts', process.pid + '\\n')
`

/** Puts a program in the place of the plugin for one call. */
export function replacePlugin(folder: string, program: string): void {
  writeFileSync(join(folder, '.sriov/current/start.cjs'), STAND_IN + program)
}

/** A resident process under test. */
export interface Daemon extends Running {
  /** The end of it by a signal. */
  stop(signal?: NodeJS.Signals): Promise<Output>
}

/** Starts the resident process of an installation and waits until it listens. */
export async function startDaemon(
  { sriovctl, socket }: Installation,
  { within = [], args = [] }: { readonly within?: readonly string[]; readonly args?: readonly string[] } = {},
): Promise<Daemon> {
  const running = start(sriovctl, ['daemon', '--socket', socket, ...args], { within })
  await new Promise<void>((resolve, reject) => {
    let said = ''
    running.child.stderr?.on('data', (chunk) => {
      said += chunk
      if (said.includes('"ready"')) {
        resolve()
      }
    })
    void running.done.then(({ exitCode, stderr }) => reject(new Error(`no daemon: exit code ${exitCode}, ${stderr}`)))
  })
  return {
    ...running,
    stop(signal = 'SIGTERM') {
      running.child.kill(signal)
      return running.done
    },
  }
}

/** The caller's half of a call to the plugin. */
export const cniEnvironment = (verb: string, more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  CNI_COMMAND: verb,
  CNI_CONTAINERID: 'pod-a',
  CNI_NETNS: '/run/netns/none',
  CNI_IFNAME: 'net1',
  CNI_PATH: '/nowhere',
  ...more,
})
