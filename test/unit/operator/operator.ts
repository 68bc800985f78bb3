/** sriovctl on a fake world. */
import { CommanderError } from 'commander'
import type { Resident } from '../../../src/daemon/probe.js'
import { makeProgram } from '../../../src/operator/program.js'
import { callHostAs } from '../../fakes/call.js'
import type { FakeWorld } from '../../fakes/machine/world.js'

/** How the resident process reacts. */
export const resident: { is: Resident } = { is: { reaction: 'answered' } }

/** How the device plugin reacts. */
export const devicePlugin: { is: Resident['reaction'] } = { is: 'answered' }

/** What kubelet says of devices. */
export const kubeletPods = new Map<string, { namespace: string; name: string }>()

/** What the container runtime says of sandboxes. */
export const living: { sandboxes: Set<string>; problem?: string } = { sandboxes: new Set() }

/** The files that sysdump wrote. */
export const saved = new Map<string, Uint8Array>()

export interface Ran {
  readonly exitCode: number
  readonly text: string
}

/** Runs a command line; what a terminal would show of stdout is the text. */
export async function sriovctl(world: FakeWorld, words: readonly string[], isTerminal = false): Promise<Ran> {
  let [text, exitCode] = ['', 0]
  const program = makeProgram({
    surroundings: {
      out: {
        isTerminal,
        write(part) {
          text += part
        },
      },
      ask: (question) => {
        text += `${question}\n`
        return Promise.resolve(false)
      },
      save(path, bytes) {
        saved.set(path, bytes)
      },
      askKubelet: () => Promise.resolve(kubeletPods),
      askLiving: async () => {
        if (living.problem !== undefined) {
          throw new Error(living.problem)
        }
        return { pods: kubeletPods, sandboxes: living.sandboxes }
      },
      askResident: () => Promise.resolve(resident.is),
      probeResident: () => Promise.resolve(resident.is.reaction),
      askDevicePlugin: () => Promise.resolve(devicePlugin.is),
      removeTree(path) {
        for (const known of [world.files, world.folders, world.symlinks]) {
          for (const one of [...known.keys()].filter((name) => name === path || name.startsWith(`${path}/`))) {
            known.delete(one)
          }
        }
      },
      removeIfEmpty(path) {
        const known = [world.files, world.folders, world.symlinks]
        if (!known.some((all) => [...all.keys()].some((name) => name.startsWith(`${path}/`)))) {
          world.folders.delete(path)
        }
      },
      openHost: () => callHostAs(world, { CNI_PATH: '/opt/cni/bin' }),
      runDaemon: () => Promise.reject(new Error('no test starts it')),
      runDevicePlugin: () => Promise.reject(new Error('no test starts it')),
    },
    finish(code) {
      exitCode = code
    },
  })
  for (const command of [program, ...program.commands]) {
    command.configureOutput({ writeErr: () => undefined })
  }
  try {
    await program.parseAsync([...words], { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) {
      throw error
    }
    exitCode = error.exitCode === 0 ? 0 : 2
  }
  return { exitCode, text }
}

export const jsonOf = ({ text }: Ran): unknown => JSON.parse(text)
