import type { Conf } from './plugin.js'

/** Every setting that the drivers of the lab take, each other than its default. */
export const ALL_SETTINGS: Conf = {
  vlan: 300,
  vlanQoS: 4,
  mac: '02:00:00:00:00:77',
  max_tx_rate: 150,
  spoofchk: 'off',
  trust: 'on',
  mtu: 1400,
  promisc: true,
  allmulti: true,
}
