import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { collectGarbage } from '../calls/collecting.js'
import { del, hostLocal, netConf } from '../calls/plugin.js'
import type { Pod } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { type Containerd, startContainerd } from '../cluster/containerd.js'
import { link, settingsOf } from '../host/kernel-view.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const VF = vf(0)
const conf = netConf(VF, { ...ALL_SETTINGS, ...hostLocal() })

let containerd: Containerd | undefined

beforeAll(async () => {
  containerd = await startContainerd(conf)
})

afterAll(() => containerd?.stop())

interface Known {
  readonly containerId: string
  readonly ifName: string
  readonly netns: { readonly path: string }
}

/** What ctr called the only attachment. */
function onlyRecord(): Known {
  const names = readdirSync(STATE_FOLDER, { withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
    .map(({ name }) => name)
  expect(names).toHaveLength(1)
  return JSON.parse(readFileSync(`${STATE_FOLDER}/${names[0]}`, 'utf8')) as Known
}

/** Runs a container without --rm and kills it: its namespace is gone, and no DEL was called. */
async function killedContainer(name: string): Promise<Known> {
  await containerd?.runDetached(name)
  const record = onlyRecord()
  expect(await settingsOf(VF)).toMatchObject({ address: ALL_SETTINGS.mac, vlan_list: [{ vlan: ALL_SETTINGS.vlan }] })
  await containerd?.kill(name)
  expect(existsSync(record.netns.path)).toBe(false)
  return record
}

const podOf = ({ containerId }: Known): Pod => ({ name: '', containerId, netns: '' })

test('a container of `ctr run` without --rm that was killed: DEL without CNI_NETNS gives all back', async () => {
  const before = await link(VF.name)
  const { containerId, ifName, ...record } = await killedContainer('killed')
  expect([containerId, ifName]).toEqual(['default-killed', 'eth0'])
  await del(podOf({ containerId, ifName, ...record }), conf, { ifName })
  expect(await link(VF.name)).toMatchObject({ address: before.address, mtu: before.mtu })
  expect(await host.differences()).toEqual([])
  await containerd?.remove('killed')
})

test('the same by GC', async () => {
  await killedContainer('collected')
  await collectGarbage(VF)
  expect(await host.differences()).toEqual([])
  await containerd?.remove('collected')
})
