import { afterEach, beforeEach } from 'vitest'
import { removePods } from '../calls/pods.js'
import { killTestpmds } from '../devices/testpmd.js'
import { resetHost } from './host-reset.js'
import { linksIn, strayAltNamesOf } from './kernel-view.js'
import { differences, type Snapshot, snapshot } from './snapshot.js'
import type { Vf } from './virtual-functions.js'

/** The host as a test is to leave it. */
export interface UntouchedHost {
  /** Changes the host on purpose: the test is to leave it like this. It is put in order afterwards. */
  prepare(change: () => Promise<unknown>): Promise<void>
  /** What differs now from how it is to be left. */
  differences(): Promise<string[]>
  /** Takes the alternative names of a VF as they are, where the kernel shows some that it does not find. */
  acceptStrayAltNames(vf: Vf): Promise<void>
}

/** Makes every test of a file fail there and then when it does not leave the host as it found it. */
export function untouchedHost(): UntouchedHost {
  let before: Snapshot
  let isPrepared = false
  const now = async () => differences(before, await snapshot())
  beforeEach(async () => {
    isPrepared = false
    before = await snapshot()
  })
  afterEach(async () => {
    await killTestpmds()
    const changed = await now()
    await removePods()
    if (changed.length > 0 || isPrepared) {
      await resetHost()
    }
    if (changed.length > 0) {
      throw new Error(`the host is not as it was (before → after):\n  ${changed.join('\n  ')}`)
    }
  })
  return {
    async prepare(change) {
      isPrepared = true
      await change()
      before = await snapshot()
    },
    differences: now,
    async acceptStrayAltNames({ pci }) {
      const link = (await linksIn(undefined)).find(({ parentdev }) => parentdev === pci)
      if (link && (await strayAltNamesOf(link)).length > 0) {
        before = new Map([...before, [`${pci} altnames`, JSON.stringify(link.altnames)]])
      }
    },
  }
}
