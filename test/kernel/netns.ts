import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Addon, loadAddon } from '../../src/host/addon.js'
import { realClock } from '../../src/host/clock.js'
import { realKernel } from '../../src/host/kernel.js'
import type { KernelPort, Log, Netns } from '../../src/host/ports.js'

let made = 0

/** Why these tests cannot run here; undefined when they can. */
export function missingCapability(): string | undefined {
  if (process.getuid?.() !== 0) {
    return 'needs root'
  }
  try {
    execFileSync('unshare', ['--net', 'true'], { stdio: 'ignore' })
  } catch {
    return 'needs CAP_SYS_ADMIN to make network namespaces'
  }
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' })
  } catch {
    return 'needs the command ip'
  }
  return undefined
}

export const ip = (...words: string[]): string => execFileSync('ip', words, { encoding: 'utf8', stdio: 'pipe' })

export const ipJson = (...words: string[]): Record<string, unknown>[] => JSON.parse(ip('-j', ...words) || '[]')

/** Namespaces of one test, under names nobody else has; `removeAll` ends them. */
export class TestNamespaces {
  readonly #names: string[] = []

  add(): { readonly name: string; readonly path: string } {
    made += 1
    const name = `sriovt-${process.pid}-${made}`
    ip('netns', 'add', name)
    this.#names.push(name)
    return { name, path: `/run/netns/${name}` }
  }

  removeAll(): void {
    for (const name of this.#names.splice(0)) {
      ip('netns', 'del', name)
    }
  }
}

/**
 * Lets /run/netns be a mount of its own, which ip makes with the first namespace of a boot. Mount namespaces made before
 * that never see what is mounted in it.
 */
export function mountNetnsFolder(): void {
  const namespaces = new TestNamespaces()
  namespaces.add()
  namespaces.removeAll()
}

const quiet = () => undefined
export const quietLog: Log = { error: quiet, warning: quiet, info: quiet, debug: quiet }

export const addon = (): Addon => loadAddon(fileURLToPath(new URL('.', import.meta.url)))
export const kernel = (): KernelPort => realKernel(addon())
export const hostOfKernel = () => ({ kernel: kernel(), clock: realClock, log: quietLog })

/** Two namespaces with a pair of interfaces between them, both up. */
export function pairOf(namespaces: TestNamespaces, left = 'left', right = 'right') {
  const [a, b] = [namespaces.add(), namespaces.add()]
  ip('link', 'add', left, 'netns', a.name, 'type', 'veth', 'peer', 'name', right, 'netns', b.name)
  ip('-n', a.name, 'link', 'set', left, 'up')
  ip('-n', b.name, 'link', 'set', right, 'up')
  return { a, b }
}

/** Works in an open namespace and closes it. */
export async function within<T>(path: string, work: (netns: Netns) => T | Promise<T>): Promise<T> {
  using netns = kernel().openNetns(path)
  return await work(netns)
}

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
