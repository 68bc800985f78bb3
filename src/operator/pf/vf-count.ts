/** Changes the number of VFs of a PF, which the kernel does by taking all away. */
import { messageOf } from '../../errors.js'
import type { PciAddress } from '../../pci/address.js'
import { deviceFolder } from '../../pci/functions.js'
import { type Survey, survey } from '../../sriov/survey/survey.js'
import { devicesOfLivePods } from '../../sriov/users/given.js'
import { hasClaim } from '../../state/claims.js'
import type { CallHost } from '../../state/folder.js'
import { withVfLock } from '../../state/lock.js'

/**
 * The VFs of a PF that somebody has, or is to get, in words. `reserved` alone is none: kubelet hears that they go.
 * @throws PluginError kinds `kernel`, `state`
 */
async function inUse(host: CallHost, address: PciAddress): Promise<readonly string[]> {
  const { vfs, others }: Survey = await survey(host, address)
  const given = devicesOfLivePods(host)
  const isGiven = (one: PciAddress) => given !== 'unknown' && given.has(one)
  return [
    ...(given === 'unknown' && vfs.length > 0 ? ['those that kubelet has given to pods, which it does not tell'] : []),
    ...vfs.flatMap(({ address: vf, verdict: { state, problem } }) => {
      if (state !== 'free' && state !== 'reserved') {
        return [`${vf} (${problem ?? state})`]
      }
      return isGiven(vf) ? [`${vf} (kubelet has given it to a pod)`] : []
    }),
    ...others.map(({ address: pf, verdict }) => `${pf} itself (${verdict.problem ?? 'a pod has it'})`),
  ]
}

/** @throws Error that names who has a VF, or the PF; PluginError kinds `kernel`, `state` */
export async function requireUnused(host: CallHost, address: PciAddress, now: number, wanted: number): Promise<void> {
  if (hasClaim(host.files, address)) {
    throw new Error(`a pod has the PF as a whole; another number of VFs may reset it`)
  }
  if (now === 0) {
    return
  }
  const { problem } = host.policy
  if (problem !== undefined) {
    throw new Error(
      `the policy says where kubelet is, which tells whose VFs these are, and it cannot be used: ${problem}`,
    )
  }
  const users = await inUse(host, address)
  if (users.length > 0) {
    throw new Error(
      `it has ${now} VFs, not ${wanted}; the kernel changes that by taking all away, and these are in use: ${users.join(', ')}`,
    )
  }
}

/** Runs `work` while nobody else can take one of the VFs. */
const withLocks = (
  host: CallHost,
  [first, ...rest]: readonly PciAddress[],
  work: () => Promise<void>,
): Promise<void> => (first === undefined ? work() : withVfLock(host, first, () => withLocks(host, rest, work)))

/** The kernel binds every VF to its driver inside the write. */
const MAKING_MS = 600_000

/** @throws Error when VFs would go that somebody has; PluginError kinds `kernel`, `tryAgain` */
export async function setCount(host: CallHost, address: PciAddress, now: number, wanted: number): Promise<void> {
  const path = `${deviceFolder(address)}/sriov_numvfs`
  if (now === 0) {
    await requireUnused(host, address, now, wanted)
    await host.files.writeAttribute(path, String(wanted), MAKING_MS)
    return
  }
  const { vfs } = await survey(host, address)
  await withLocks(
    host,
    vfs.map((vf) => vf.address),
    async () => {
      await requireUnused(host, address, now, wanted)
      await host.files.writeAttribute(path, '0', MAKING_MS)
      try {
        if (wanted > 0) {
          await host.files.writeAttribute(path, String(wanted), MAKING_MS)
        }
      } catch (error) {
        // Rather those of before than none.
        const outcome = await host.files.writeAttribute(path, String(now), MAKING_MS).then(
          () => `it has its ${now} VFs again`,
          (second: unknown) => `nor does it take its ${now} VFs of before: ${messageOf(second)}`,
        )
        throw new Error(`${messageOf(error)}; ${outcome}`)
      }
    },
  )
}
