import { describe, expect, test } from 'vitest'
import { EXAMPLES } from '../calls/examples.js'
import { add, type Conf, DEFAULT_IFNAME, del } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { linksIn } from '../host/kernel-view.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

untouchedHost()

/** What else a node has for an example: Multus names the VF; a DHCP server has a test of its own. */
function onThisNode({ ipam, ...conf }: Conf): Conf {
  const hasDevice = ['deviceID', 'master', 'if0', 'selectors'].some((key) => key in conf)
  const isDhcp = (ipam as { type?: unknown } | undefined)?.type === 'dhcp'
  return { ...conf, ...(!hasDevice && { deviceID: vf(2).pci }), ...(ipam !== undefined && !isDhcp && { ipam }) }
}

describe('docs/examples', () => {
  test.each(EXAMPLES.map(({ file, conf }) => [file, conf] as const))('%s works as it is', async (_file, conf) => {
    const pod = await newPod()
    const given = onThisNode(conf)
    await add(pod, given)
    const { if0name = DEFAULT_IFNAME } = conf
    expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(conf.dpdk ? ['lo'] : ['lo', if0name])
    await del(pod, given)
  })

  test('there are some of each kind', () => {
    const files = EXAMPLES.map(({ file }) => file)
    expect(files.some((file) => file.endsWith('.yaml'))).toBe(true)
    expect(files.some((file) => file.endsWith('.conflist'))).toBe(true)
  })
})
