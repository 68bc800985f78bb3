import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { openConf, vfIn } from '../calls/choosing.js'
import { example } from '../calls/examples.js'
import { add, call, check, DEFAULT_IFNAME, del, failing } from '../calls/plugin.js'
import { canPing, newPod, type Pod } from '../calls/pods.js'
import { addressesIn, link, routesIn, settingsOf } from '../host/kernel-view.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { ALL_VFS, vf } from '../host/virtual-functions.js'
import { type DhcpDaemon, type DhcpServer, SERVER_ADDRESS, startDhcpDaemon, startDhcpServer } from './dhcp-server.js'

untouchedHost()

const conf = example('50-vlan100-dhcp.conflist')

const recordOf = ({ containerId }: Pod): string => `${STATE_FOLDER}/${containerId}-${DEFAULT_IFNAME}`

describe('vlan 100 with DHCP', () => {
  let server: DhcpServer
  let daemon: DhcpDaemon | undefined

  beforeEach(async () => {
    server = await startDhcpServer(100)
    daemon = await startDhcpDaemon()
  })

  afterEach(async () => {
    await daemon?.stop()
    daemon = undefined
    await server.stop()
  })

  test('the pod has the address and the route of the lease; DEL ends it', async () => {
    const pod = await newPod()
    const result = await add(pod, conf)
    expect(result.ips).toMatchObject([{ address: expect.stringMatching(/^10\.100\.0\.\d+\/24$/) }])
    const [address] = await addressesIn(pod, DEFAULT_IFNAME)
    expect(result.ips?.[0]?.address).toBe(`${address?.local}/24`)
    expect(await routesIn(pod)).toEqual([`default via ${SERVER_ADDRESS}`])
    expect(await vfIn(pod)).toBe(vf(0).name)
    expect(await settingsOf(vf(0))).toMatchObject({ vlan_list: [{ vlan: 100 }] })
    expect(await canPing(pod, SERVER_ADDRESS)).toBe(true)
    const given = await server.leases()
    expect(given.get(address?.local ?? '')).toBeGreaterThan(0)
    await check(pod, { ...conf, prevResult: result })
    await del(pod, conf)
    expect(await link(vf(0).name)).toMatchObject({ parentdev: vf(0).pci })
    // The server keeps it until it expires: it cannot be told by an interface that has left the pod.
    const log = await daemon?.stop()
    daemon = undefined
    expect(log).toContain('releasing lease')
  })

  test.each(['gone', 'left'] as const)(
    'a DEL while the daemon is dead (socket %s) gives the VF back and says so; with the daemon back it succeeds',
    async (socket) => {
      const pod = await newPod()
      await add(pod, conf)
      await daemon?.stop(socket)
      daemon = undefined
      const error = await failing('DEL', pod, conf)
      expect(error.msg).toContain('dhcp')
      // containerd's go-cni takes such an error for success.
      expect(error.msg).not.toMatch(/not found|no such file or directory/i)
      expect(await link(vf(0).name)).toMatchObject({ parentdev: vf(0).pci })
      expect((await settingsOf(vf(0))).vlan_list[0]).not.toHaveProperty('vlan')
      expect(existsSync(recordOf(pod))).toBe(true)
      daemon = await startDhcpDaemon()
      await del(pod, conf)
      expect(existsSync(recordOf(pod))).toBe(false)
    },
  )

  test('an ADD without the daemon is undone', async () => {
    await daemon?.stop()
    daemon = undefined
    const pod = await newPod()
    expect((await failing('ADD', pod, conf)).msg).toContain('dhcp')
    expect(await link(vf(0).name)).toMatchObject({ parentdev: vf(0).pci })
  })
})

/** A dhcp plugin that does nothing but look for the pod's interface at once, as the daemon does. */
const LOOKS_AT_ONCE = `#!/bin/sh
[ "$CNI_COMMAND" = ADD ] || exit 0
if nsenter --net="$CNI_NETNS" grep -q "$CNI_IFNAME:" /proc/self/net/dev; then
  echo '{"cniVersion":"1.0.0","ips":[{"address":"10.100.0.9/24"}]}'
else
  echo "{\\"cniVersion\\":\\"1.0.0\\",\\"code\\":100,\\"msg\\":\\"there is no $CNI_IFNAME in $CNI_NETNS\\"}"
  exit 1
fi
`

test('dhcp finds the interface in the pod at once, with fourteen pods at once', async () => {
  const folder = '/run/looks-at-once'
  mkdirSync(folder, { recursive: true })
  writeFileSync(`${folder}/dhcp`, LOOKS_AT_ONCE, { mode: 0o755 })
  const env = { CNI_PATH: folder }
  count('calls at once', 2 * ALL_VFS.length)
  const all = []
  for (const { pci } of ALL_VFS) {
    all.push({ pod: await newPod(), looking: openConf({ deviceID: pci, ipam: { type: 'dhcp' } }) })
  }
  const outputs = await Promise.all(all.map(({ pod, looking }) => call('ADD', pod, looking, { env })))
  await Promise.all(all.map(({ pod, looking }) => del(pod, looking, { env })))
  expect(outputs.filter(({ exitCode }) => exitCode !== 0).map(({ stdout }) => stdout)).toEqual([])
})
