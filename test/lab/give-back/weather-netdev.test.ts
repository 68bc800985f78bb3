import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { add, DEFAULT_IFNAME, del, hostLocal, netConf } from '../calls/plugin.js'
import { inPod, newPod, type Pod, removePod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { link } from '../host/kernel-view.js'
import { ip, shell, until } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

const VF = vf(1)
const CARRIER = `/sys/class/net/${DEFAULT_IFNAME}/carrier`
const conf = netConf(VF, { ...ALL_SETTINGS, ...hostLocal() })

const within = ({ name }: Pod, ...commands: string[]): Promise<string> =>
  shell(commands.map((command) => `ip -n ${name} ${command}`).join('\n'))

/** What may have happened to the interface of a pod between its ADD and its DEL. */
const CHANGES: readonly (readonly [string, (pod: Pod) => Promise<unknown>])[] = [
  ['up', (pod) => within(pod, `link set ${DEFAULT_IFNAME} up`)],
  ['down', (pod) => within(pod, `link set ${DEFAULT_IFNAME} down`)],
  ['renamed', (pod) => within(pod, `link set ${DEFAULT_IFNAME} down`, `link set ${DEFAULT_IFNAME} name data0 up`)],
  [
    'named by bytes that are no UTF-8, and so is its other name',
    (pod) =>
      within(
        pod,
        `link set ${DEFAULT_IFNAME} down`,
        `link property add dev ${DEFAULT_IFNAME} altname "$(printf 'a\\200')"`,
        `link set ${DEFAULT_IFNAME} name "$(printf '\\377\\376')"`,
      ),
  ],
  [
    'given other names',
    (pod) =>
      within(pod, ...['first', 'second'].map((name) => `link property add dev ${DEFAULT_IFNAME} altname ${name}`)),
  ],
  [
    'renamed, its name now of another interface',
    (pod) =>
      within(
        pod,
        `link set ${DEFAULT_IFNAME} down`,
        `link set ${DEFAULT_IFNAME} name data0 up`,
        `link add ${DEFAULT_IFNAME} type dummy`,
      ),
  ],
  [
    'under a VLAN interface',
    (pod) => within(pod, `link add link ${DEFAULT_IFNAME} name sub type vlan id 7`, 'link set sub up'),
  ],
  [
    'under a macvlan',
    (pod) => within(pod, `link add link ${DEFAULT_IFNAME} name sub type macvlan mode bridge`, 'link set sub up'),
  ],
  [
    'a port of a bridge',
    (pod) =>
      within(pod, 'link add bridge type bridge', `link set ${DEFAULT_IFNAME} master bridge`, 'link set bridge up'),
  ],
  ['on the host under its name of the pod', (pod) => within(pod, `link set ${DEFAULT_IFNAME} netns 1`)],
  [
    'on the host, up, under its name of the pod',
    async (pod) => {
      await within(pod, `link set ${DEFAULT_IFNAME} netns 1`)
      await ip(`link set ${DEFAULT_IFNAME} up`)
    },
  ],
  [
    'on the host as dev7',
    async (pod) => {
      await within(pod, `link set ${DEFAULT_IFNAME} down`, `link set ${DEFAULT_IFNAME} netns 1 name dev7`)
      await removePod(pod)
    },
  ],
  [
    'on the host as dev7, up and with the MTU and MAC of somebody else',
    async (pod) => {
      await within(pod, `link set ${DEFAULT_IFNAME} down`, `link set ${DEFAULT_IFNAME} netns 1 name dev7`)
      await ip('link set dev7 mtu 1280 address 02:00:00:00:0f:0f up')
    },
  ],
]

/**
 * A card without a filter for unicast addresses is promiscuous while a macvlan is on it, and counts that one down with
 * its next change of the filters while it is up only (__dev_set_rx_mode() in net/core/dev.c).
 */
async function settlePromiscuity(): Promise<void> {
  const { promiscuity, flags } = await link(VF.name)
  if (promiscuity > 0 && !flags.includes('PROMISC')) {
    await ip(`link set ${VF.name} up`)
    await ip(`link set ${VF.name} down`)
  }
}

beforeAll(() => shell('modprobe -a 8021q macvlan bridge; modprobe dummy numdummies=0'))

describe('DEL gives back a VF that is', () => {
  test.each(CHANGES)('%s', async (_name, change) => {
    const pod = await newPod()
    await add(pod, conf)
    await change(pod)
    await del(pod, conf)
    await settlePromiscuity()
    expect(await host.differences()).toEqual([])
  })

  // The kernel takes such a namespace apart in several steps.
  test.each(CHANGES.filter(([name]) => !name.startsWith('on the host')))(
    '%s, its namespace gone',
    async (_name, change) => {
      const pod = await newPod()
      await add(pod, conf)
      await change(pod)
      await removePod(pod)
      await del(pod, conf, { env: { CNI_NETNS: '' } })
      await settlePromiscuity()
      await host.acceptStrayAltNames(VF)
      expect(await host.differences()).toEqual([])
    },
  )
})

describe('while another interface has the name of the VF,', () => {
  afterAll(() => shell(`ip link del ${VF.name} type dummy 2>/dev/null || true`))

  test.each([
    ['stands', false],
    ['is gone', true],
  ])('DEL gives the VF back under a free one; the namespace %s', async (_state, isGone) => {
    const pod = await newPod()
    await add(pod, conf)
    await ip(`link add ${VF.name} type dummy`)
    if (isGone) {
      await removePod(pod)
    }
    await del(pod, conf)
    await ip(`link del ${VF.name}`)
    const name = (await shell(`ls /sys/bus/pci/devices/${VF.pci}/net`)).trim()
    expect(name).not.toBe(VF.name)
    await ip(`link set dev ${name} name ${VF.name}`)
    expect(await host.differences()).toEqual([])
  })
})

/**
 * Waits until the driver of a VF has noticed that its PF is down, and has reset the VF. Since Linux 6.14, igbvf stops all
 * netlink of the machine for ever if the VF is taken down in the middle of that (docs/kernels.md).
 */
async function untilPfIsMissed(pod: Pod): Promise<void> {
  await until('the VF has lost its carrier', async () => (await inPod(pod, 'cat', CARRIER)).trim() === '0')
  let quiet = 0
  await until('igbvf does nothing', async () => {
    quiet = (await shell('cat /proc/[0-9]*/stack 2>/dev/null || true')).includes('igbvf_') ? 0 : quiet + 1
    return quiet === 3
  })
}

test('DEL gives the VF back while its PF is down', async () => {
  const pod = await newPod()
  await add(pod, conf)
  await ip(`link set ${PF} down`)
  try {
    await untilPfIsMissed(pod)
    await del(pod, conf)
  } finally {
    await ip(`link set ${PF} up`)
  }
  expect(await host.differences()).toEqual([])
})
