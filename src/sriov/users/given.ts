/** Which devices kubelet has given to pods that are still there. */
import { checkpointPath, devicesGiven, devicesOfGonePods } from '../../node/kubelet.js'
import type { PciAddress } from '../../pci/address.js'
import type { CallHost } from '../../state/folder.js'
import { isYoungPromise, promisedDevices } from '../../state/promises.js'

/** The folder of a pod comes a moment after its devices were given. */
const YOUNG_MS = 60_000

/**
 * Those of kubelet's checkpoint, and those that our device plugin has promised, without those of pods that are gone: kubelet
 * does not write its checkpoint when a pod ends. `unknown` when the checkpoint cannot be understood.
 */
export function devicesOfLivePods({ files, policy, clock }: CallHost): ReadonlySet<PciAddress> | 'unknown' {
  const { kubeletFolder } = policy
  const given = devicesGiven(files, kubeletFolder)
  if (given === 'unknown') {
    return given
  }
  const nowMs = clock.dateMs()
  const writtenMs = files.factsOf(checkpointPath(kubeletFolder))?.changedMs ?? 0
  const gone = Math.abs(nowMs - writtenMs) < YOUNG_MS ? new Set() : devicesOfGonePods(files, kubeletFolder)
  const promises = promisedDevices(files)
  const isOfLivePod = (address: PciAddress): boolean => {
    const promise = promises.get(address)
    return !gone.has(address) || (promise !== undefined && isYoungPromise(promise, nowMs))
  }
  return new Set([...(given === 'none' ? [] : given.keys()), ...promises.keys()].filter(isOfLivePod))
}
