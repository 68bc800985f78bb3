import { describe, expect, test } from 'vitest'
import { add, type Conf, DEFAULT_IFNAME, del, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { type LinkView, link, settingsOf, type VfView } from '../host/kernel-view.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

untouchedHost()
callsByResident()

interface Setting {
  readonly conf: Conf
  readonly settings?: Partial<VfView>
  readonly link?: Partial<LinkView>
}

const flag = (name: string): Partial<LinkView> => ({ flags: expect.arrayContaining([name]) })

const ROWS: readonly Setting[] = [
  { conf: {}, link: { mtu: 1500 } },
  { conf: { vlan: 100 }, settings: { vlan_list: [{ vlan: 100 }] } },
  { conf: { vlan: 4094, vlanQoS: 5 }, settings: { vlan_list: [{ vlan: 4094, qos: 5 }] } },
  { conf: { vlan: 200, vlanProto: '802.1Q' }, settings: { vlan_list: [{ vlan: 200 }] } },
  { conf: { vlan: 0 }, settings: { vlan_list: [{}] } },
  { conf: { max_tx_rate: 200 }, settings: { rate: { max_tx: 200, min_tx: 0 } } },
  { conf: { min_tx_rate: 0, max_tx_rate: 0 }, settings: { rate: { max_tx: 0, min_tx: 0 } } },
  { conf: { spoofchk: 'off' }, settings: { spoofchk: false } },
  { conf: { spoofchk: 'on' }, settings: { spoofchk: true } },
  { conf: { trust: 'on' }, settings: { trust: true } },
  { conf: { trust: 'off' }, settings: { trust: false } },
  { conf: { link_state: 'auto' }, settings: { link_state: 'auto' } },
  { conf: { mtu: 1280 }, link: { mtu: 1280 } },
  { conf: { mtu: 9000 }, link: { mtu: 9000 } },
  { conf: { promisc: true }, link: flag('PROMISC') },
  { conf: { allmulti: true }, link: flag('ALLMULTI') },
  {
    conf: ALL_SETTINGS,
    settings: {
      vlan_list: [{ vlan: 300, qos: 4 }],
      address: '02:00:00:00:00:77',
      rate: { max_tx: 150, min_tx: 0 },
      spoofchk: false,
      trust: true,
    },
    link: {
      mtu: 1400,
      address: '02:00:00:00:00:77',
      flags: expect.arrayContaining(['PROMISC', 'ALLMULTI']) as string[],
    },
  },
]

describe('ADD and DEL', () => {
  test.each(ROWS.map((row, i) => [JSON.stringify(row.conf), row, i] as const))(
    '%s is in force in the pod and gone after DEL',
    async (_name, row, i) => {
      const target = vf(i % 7)
      const pod = await newPod()
      const conf = netConf(target, row.conf)
      await add(pod, conf)
      expect(await link(DEFAULT_IFNAME, pod)).toMatchObject({ parentdev: target.pci, ...row.link })
      expect((await link(DEFAULT_IFNAME, pod)).flags).toContain('UP')
      expect(await settingsOf(target)).toMatchObject(row.settings ?? {})
      await del(pod, conf)
    },
  )
})
