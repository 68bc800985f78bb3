import { expect, test } from 'vitest'
import { add, type Conf, del, netConf } from '../calls/plugin.js'
import { canPing, newPod } from '../calls/pods.js'
import { netdevsOf } from '../host/drivers.js'
import { shell, until } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { ALL_VFS, OTHER_PF, type Vf, vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const ROUNDS = 3
const at = (address: string): Conf => ({ ipam: { type: 'static', addresses: [{ address }] } })

/** Two pods, one packet each way as soon as the second ADD has answered. */
async function firstPackets(left: Vf, right: Vf, more: Conf): Promise<boolean[]> {
  const pods = [await newPod(), await newPod()] as const
  const confs = [
    netConf(left, { ...more, ...at('10.9.5.1/24') }),
    netConf(right, { ...more, ...at('10.9.5.2/24') }),
  ] as const
  await add(pods[0], confs[0])
  await add(pods[1], confs[1])
  const arrived = [await canPing(pods[0], '10.9.5.2'), await canPing(pods[1], '10.9.5.1')]
  await del(pods[0], confs[0])
  await del(pods[1], confs[1])
  return arrived
}

test.each([
  ['without a VLAN', {}],
  ['on a VLAN', { vlan: 100 }],
  ['on a VLAN, without spoof check', { vlan: 100, spoofchk: 'off', trust: 'on' }],
])('the first packet after two ADDs arrives %s, time after time', async (_how, more) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    expect(await firstPackets(vf(0), vf(1), more), `round ${round}`).toEqual([true, true])
    expect(await host.differences()).toEqual([])
  }
})

const NEW_VFS = ALL_VFS.filter(({ pf }) => pf === OTHER_PF)

/** VFs that were just made: before Linux 6.2 the PF does not know their MACs. */
async function makeVfsAnew(): Promise<void> {
  const attribute = `/sys/class/net/${OTHER_PF}/device/sriov_numvfs`
  await shell(`echo 0 >${attribute}; echo ${NEW_VFS.length} >${attribute}`)
  await until('every new VF has an interface', async () => NEW_VFS.every((one) => netdevsOf(one).length > 0))
}

test.each([
  ['no settings', {}],
  ['a VLAN', { vlan: 100 }],
])('the first packet to a VF that was never up arrives with %s, and to its next pod', async (_which, more) => {
  const [left, right] = NEW_VFS as [Vf, Vf]
  await host.prepare(makeVfsAnew)
  expect(await firstPackets(left, right, more)).toEqual([true, true])
  expect(await firstPackets(left, right, more)).toEqual([true, true])
  // The PF may know the MAC of a VF now that it did not know before: no other difference.
  expect((await host.differences()).filter((one) => !/^\S+ vf [01] address: "00:00:00:00:00:00" → /.test(one))).toEqual(
    [],
  )
  await host.prepare(async () => undefined)
})
