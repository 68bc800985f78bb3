import { describe, expect, test } from 'vitest'
import { type Conf, failing, hostLocal, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { linksIn } from '../host/kernel-view.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

/** igb: no ndo_set_vf_link_state; igb_ndo_set_vf_bw and igb_ndo_set_vf_vlan refuse these. */
const REFUSED: readonly (readonly [Conf, string, string])[] = [
  [{ link_state: 'enable' }, 'link_state enable', 'EOPNOTSUPP'],
  [{ link_state: 'disable' }, 'link_state disable', 'EOPNOTSUPP'],
  [{ min_tx_rate: 50 }, 'min_tx_rate 50', 'EINVAL'],
  [{ min_tx_rate: 50, max_tx_rate: 100 }, 'min_tx_rate 50', 'EINVAL'],
  [{ vlan: 12, vlanProto: '802.1ad' }, '802.1ad', 'EPROTONOSUPPORT'],
]

const ACCEPTED: readonly (readonly [string, Conf])[] = [
  ['alone', {}],
  ['after accepted settings and a lease', { ...ALL_SETTINGS, ...hostLocal() }],
]

describe('a setting that the driver refuses', () => {
  test.each(REFUSED.flatMap(([conf, key, code]) => ACCEPTED.map((row) => [conf, ...row, key, code] as const)))(
    '%j %s: is named with VF, PF and driver, and everything is undone',
    async (conf, _how, accepted, key, code) => {
      const pod = await newPod()
      const { msg } = await failing('ADD', pod, netConf(vf(3), { ...accepted, ...conf }))
      for (const part of [key, 'VF 3 of ens1f0', 'driver igb', code]) {
        expect(msg).toContain(part)
      }
      expect(await host.differences()).toEqual([])
      expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(['lo'])
    },
  )

  test('an MTU above the maximum is refused before anything is done, with key and maximum', async () => {
    const { code, msg } = await failing('ADD', await newPod(), netConf(vf(3), { mtu: 9217 }))
    expect(code).toBe(7)
    expect(msg).toMatch(/mtu.*9217.*9216/)
  })

  test('a rate above the speed of the link is refused by the driver and undone', async () => {
    const conf = netConf(vf(3), { ...ALL_SETTINGS, max_tx_rate: 100_000, ...hostLocal() })
    const { msg } = await failing('ADD', await newPod(), conf)
    expect(msg).toMatch(/max_tx_rate 100000 on VF 3 of ens1f0 \(driver igb\): EINVAL/)
  })
})
