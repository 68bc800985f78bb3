import { readdirSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { add, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod, removePod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { stateFiles } from '../crash/power.js'
import { link } from '../host/kernel-view.js'
import { ip, until } from '../host/process.js'
import { LEASE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { ALL_VFS, OTHER_PF, VFS, type Vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

const PF_DEVICE = `/sys/class/net/${OTHER_PF}/device`
const OTHER_VFS = ALL_VFS.slice(VFS.length)

function otherVf(index: number): Vf {
  const found = OTHER_VFS[index]
  if (!found) {
    throw new Error(`${OTHER_PF} has no VF ${index}`)
  }
  return found
}

const VF = otherVf(3)
const conf = netConf(VF, { ...ALL_SETTINGS, ...hostLocal() })

const setVfCount = (vfs: number): void => writeFileSync(`${PF_DEVICE}/sriov_numvfs`, String(vfs))

function namesOf({ index }: Vf): string[] {
  try {
    return readdirSync(`${PF_DEVICE}/virtfn${index}/net`)
  } catch {
    return []
  }
}

/** Re-creates what setVfCount(0) took away: names and MACs as they were. */
async function makeVfs(macs: ReadonlyMap<string, string>): Promise<void> {
  setVfCount(OTHER_VFS.length)
  await until('the VFs are there again', async () => OTHER_VFS.every((one) => namesOf(one).length === 1))
  for (const one of OTHER_VFS) {
    const [name] = namesOf(one)
    await ip(`link set dev ${name} name ${one.name} address ${macs.get(one.name)}`)
    // The PF learns the MAC when the VF's driver resets it.
    await ip(`link set dev ${one.name} up`)
    await ip(`link set dev ${one.name} down`)
  }
}

async function macsOfVfs(): Promise<Map<string, string>> {
  const macs = new Map<string, string>()
  for (const { name } of OTHER_VFS) {
    macs.set(name, (await link(name)).address)
  }
  return macs
}

const leases = (): string[] => readdirSync(`${LEASE_FOLDER}/lab`).filter((name) => /^\d/.test(name))

describe.each([
  ['stands', false],
  ['is gone', true],
])('the VFs were taken away while a pod had one, and its namespace %s:', (_state, isGone) => {
  test('DEL without them frees the rest', async () => {
    const macs = await macsOfVfs()
    const pod = await newPod()
    await add(pod, conf)
    setVfCount(0)
    try {
      if (isGone) {
        await removePod(pod)
      }
      await del(pod, conf)
      // Not host.differences(): there is no VF to look at.
      expect([...stateFiles(), ...leases()]).toEqual([])
    } finally {
      await makeVfs(macs)
    }
    expect(await host.differences()).toEqual([])
  })

  test('DEL after they were made again breaks nothing', async () => {
    const macs = await macsOfVfs()
    const pod = await newPod()
    await add(pod, conf)
    setVfCount(0)
    if (isGone) {
      await removePod(pod)
    }
    await makeVfs(macs)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
    const next = await newPod()
    await add(next, conf)
    await del(next, conf)
  })
})
