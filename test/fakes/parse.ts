import { parseArgs, VERBS } from '../../src/cni/args.js'
import { type ParsedNetConf, parseNetConf } from '../../src/cni/conf/netconf.js'
import { VF_ADDRESS } from './machine/machine.js'

/** A configuration with a device, read as ADD would. */
export function parseConf(keys: object, cniArgs = ''): ParsedNetConf {
  const object = { deviceID: VF_ADDRESS, ...keys }
  const args = parseArgs(VERBS.ADD, {
    CNI_CONTAINERID: 'pod-a',
    CNI_NETNS: '/run/netns/pod-a',
    CNI_IFNAME: 'net1',
    CNI_PATH: '/opt/cni/bin',
    CNI_ARGS: cniArgs,
  })
  return parseNetConf({ cniVersion: '1.1.0', name: 'net', text: JSON.stringify(object), object }, args)
}

export const issueKeys = (keys: object, cniArgs?: string): string[] =>
  parseConf(keys, cniArgs).issues.map(({ key }) => key)
