import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { add, DEFAULT_IFNAME, del, netConf } from '../calls/plugin.js'
import { newPod, type Pod, removePod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { shell } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

/** Not below /sys, of which ip(8) mounts another one in a namespace. */
const BPF_FOLDER = '/run/lab-bpf'
const PROGRAM = `${BPF_FOLDER}/pass`
const CONF = netConf(vf(3), { mtu: 1400, vlan: 30 })

beforeAll(() => shell(`mkdir ${BPF_FOLDER}; mount -t bpf bpf ${BPF_FOLDER}; dist/tools/xdp-pin ${PROGRAM}`))
afterAll(() => shell(`umount ${BPF_FOLDER}; rmdir ${BPF_FOLDER}`))

/** The kernel sets it when an interface without ARP comes into a namespace, until it comes into the next one. */
const isOfArrival = (line: string): boolean => line.includes(' accept_dad: ')

const set = ({ name }: Pod, what: string) => shell(`ip -n ${name} link set ${DEFAULT_IFNAME} ${what}`)

const ENDS: readonly (readonly [string, (pod: Pod) => Promise<void>])[] = [
  ['is there at its DEL', () => Promise.resolve()],
  ['is gone before its DEL', removePod],
]

describe.each(ENDS)('what a pod that %s has left on its interface', (_end, before) => {
  test.each([
    `xdpgeneric pinned ${PROGRAM}`,
    'arp off',
    'multicast off',
    'mode dormant',
    `arp off multicast off promisc on mtu 1300 xdpgeneric pinned ${PROGRAM}`,
  ])('%s: is not on the host, and the next pod gets the VF', async (what) => {
    const [pod, next] = [await newPod(), await newPod()]
    await add(pod, CONF)
    await set(pod, what)
    await before(pod)
    await del(pod, CONF)
    expect((await host.differences()).filter((line) => !isOfArrival(line))).toEqual([])
    await add(next, CONF)
    await del(next, CONF)
    expect(await host.differences()).toEqual([])
  })
})
