import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cniEnvironment, type Output, start } from '../daemon/installation.js'
import { missingCapability, ROOT } from '../netns.js'

/** The release of this checkout, with its own Node.js, as scripts/prepare has put it together. */
export const RELEASE = join(ROOT, 'dist/release')

/** Why these tests cannot run here; undefined when they can. */
export const missing = existsSync(join(RELEASE, 'SHA256SUMS'))
  ? missingCapability()
  : 'needs dist/release: scripts/prepare'

/** The answer to an ADD of a call that came through Node.js, the bundle and the addon. */
export const NO_SUCH_NETNS = {
  cniVersion: '1.0.0',
  code: 8,
  msg: 'network namespace /run/netns/none: does not exist',
}

/** A real installation that a test may damage. */
export interface Released {
  readonly folder: string
  readonly plugin: string
  /** A file of its release. */
  file(name: string): string
  /** A new copy of that file, as it was. */
  mend(name: string): void
  remove(): void
}

export const install = (folder: string, ...words: string[]) =>
  spawnSync(join(RELEASE, 'install'), ['--bin-dir', folder, ...words], {
    encoding: 'utf8',
    env: { PATH: '/usr/bin:/bin' },
  })

/** Installs into a new folder, or below one. */
export function released(folder = mkdtempSync(join(tmpdir(), 'sriov-released-'))): Released {
  const { status, stderr } = install(folder)
  if (status !== 0) {
    throw new Error(stderr)
  }
  const file = (name: string) => join(folder, '.sriov/current', name)
  return {
    folder,
    plugin: join(folder, 'sriov'),
    file,
    mend(name) {
      rmSync(file(name), { force: true })
      copyFileSync(join(RELEASE, 'release', name), file(name))
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export interface AddOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Words in front of the command line. */
  readonly within?: readonly string[]
  readonly conf?: object
}

/** An ADD by the installed plugin: up to the namespace, which is not there. */
export const add = ({ plugin }: Released, { env = {}, within = [], conf = {} }: AddOptions = {}): Promise<Output> =>
  start(plugin, [], {
    env: { ...cniEnvironment('ADD'), SRIOV_CNI_SOCKET: '', ...env },
    stdin: JSON.stringify({ cniVersion: '1.0.0', name: 'n', type: 'sriov', deviceID: 'ffff:01:10.0', ...conf }),
    within,
  }).done

/** The one document on stdout. */
export const documentOf = ({ stdout }: Output): Record<string, unknown> => JSON.parse(stdout)

/** How often the program in the place of the plugin was started. */
export function startsOf(released: Released): number {
  const path = released.file('starts')
  return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n').length : 0
}

/** The processes that run something of a folder. */
export function processesOf(folder: string): number[] {
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => {
      try {
        return pid > 0 && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(folder)
      } catch {
        return false
      }
    })
}

/** Compiles a library that wants a C library newer than any: what a security agent brings that was built elsewhere. */
export function tooNewLibrary(path: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'sriov-libc-'))
  const libc = join(folder, 'libc.so.6')
  const compile = (to: string, source: string, ...words: string[]) =>
    execFileSync('cc', ['-shared', '-fPIC', '-nostdlib', '-o', to, '-x', 'c', '-', '-x', 'none', ...words], {
      input: source,
    })
  try {
    writeFileSync(join(folder, 'versions'), 'GLIBC_9.99 { global: newer; };')
    compile(libc, 'void newer(void) {}', '-Wl,-soname,libc.so.6', `-Wl,--version-script=${folder}/versions`)
    compile(path, 'void newer(void); void agent(void) { newer(); }', libc)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Compiles a library that ends every process that loads it. */
export function deadlyLibrary(path: string): void {
  execFileSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', path, '-'], {
    input: '#include <unistd.h>\n__attribute__((constructor)) static void end(void) { _exit(77); }\n',
  })
}
