/** What an ADD would choose now, without a lock or a change: for an operator who asks beforehand. */
import type { DeviceChoice } from '../../cni/conf/device-choice.js'
import type { NetConf } from '../../cni/conf/netconf.js'
import { openRtnl } from '../../rtnl/connection.js'
import type { CallHost } from '../../state/folder.js'
import { type DeviceLocation, locateDevice } from '../device/locate.js'
import { pfByName } from '../device/select.js'
import { programsOf } from '../users/function-users.js'
import { rivalUserOf, userOf } from './occupancy.js'
import { type Asked, hostUseAgainst, keptByRule, ruleAgainst } from './permission.js'
import { hindranceOf, KUBELET, keyOf, reservedDevices, tryOrder, unfitness } from './search.js'

/** A device that a configuration can mean, in the order in which an ADD tries them. */
export interface Prospect {
  readonly location: DeviceLocation
  /** Why the ADD would not take it; absent for one that it could have. */
  readonly why?: string
}

async function prospectOf(host: CallHost, asked: Asked, unfit: () => string | undefined): Promise<Prospect> {
  const { location } = asked
  const rule = ruleAgainst(host, asked)
  using rtnl = openRtnl(host)
  const why =
    rule === undefined
      ? await hindranceOf(
          async () =>
            (await userOf(host, location.address)) ??
            unfit() ??
            (await programsOf(host, location.address)) ??
            (await hostUseAgainst(host, rtnl, location)).use ??
            (await rivalUserOf(host, location)),
        )
      : keptByRule(rule)
  return { location, ...(why !== undefined && { why }) }
}

/**
 * The devices that a configuration can mean, in the order of the ADD: the first without a `why` is the one it would take.
 * @throws PluginError kinds `device`, `tryAgain` as the ADD would
 */
export async function prospectsOf(host: CallHost, conf: NetConf, choice: DeviceChoice): Promise<readonly Prospect[]> {
  const { files } = host
  const fit = () => undefined
  switch (choice.by) {
    case 'address':
      return [await prospectOf(host, { location: locateDevice(files, choice.address), key: 'deviceID' }, fit)]
    case 'wholePf': {
      const { address } = pfByName(files, choice.key, choice.pfName)
      return [await prospectOf(host, { location: { address }, key: choice.key, pfName: choice.pfName }, fit)]
    }
    case 'pf':
    case 'selectors': {
      const reserved = reservedDevices(host)
      const search = { host, conf, choice }
      // A VF that is named by its index is given with the driver that it has.
      const isNamed = choice.by === 'pf' && choice.vfIndex !== undefined
      const prospects: Prospect[] = []
      for (const location of tryOrder(search, reserved)) {
        prospects.push(
          reserved.has(location.address)
            ? { location, why: KUBELET }
            : await prospectOf(host, { location, key: keyOf(choice) }, () =>
                isNamed ? undefined : unfitness(search, location),
              ),
        )
      }
      return prospects
    }
  }
}
