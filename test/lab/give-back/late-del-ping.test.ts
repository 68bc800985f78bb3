import { readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { add, type Conf, DEFAULT_IFNAME, del, netConf } from '../calls/plugin.js'
import { canPing, newPod, type Pod, removePod } from '../calls/pods.js'
import { link } from '../host/kernel-view.js'
import { start } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const DEAD_PODS = 3

const at = (index: number, address: string): Conf =>
  netConf(vf(index), { vlan: 100, mac: `02:00:00:00:0c:0${index}`, ipam: { type: 'static', addresses: [{ address }] } })

const conf = at(1, '10.9.8.2/24')

const recordOf = ({ containerId }: Pod): string => `${STATE_FOLDER}/${containerId}-${DEFAULT_IFNAME}`

test('late DELs of dead pods: not one ping of the pod that has the VF by now is lost', async () => {
  const peer = await newPod()
  await add(peer, at(2, '10.9.8.3/24'))
  const dead: Pod[] = []
  const records: string[] = []
  for (let i = 0; i < DEAD_PODS; i += 1) {
    const pod = await newPod()
    await add(pod, conf)
    records.push(readFileSync(recordOf(pod), 'utf8'))
    await removePod(pod)
    dead.push(pod)
  }
  const next = await newPod()
  await add(next, conf)
  expect(await canPing(next, '10.9.8.3')).toBe(true)
  const before = await link(DEFAULT_IFNAME, next)

  const ping = start('ip', ['netns', 'exec', next.name, 'ping', '-i', '0.05', '-c', '120', '10.9.8.3'])
  for (const [i, pod] of dead.entries()) {
    await del(pod, conf)
    // As if the ADD of the next pod had not met this record.
    writeFileSync(recordOf(pod), records[i] ?? '')
    await del(pod, conf, { env: { CNI_NETNS: '' } })
  }
  const { stdout } = await ping.done

  expect(stdout).toMatch(/120 packets transmitted, 120 received, 0% packet loss/)
  expect(await link(DEFAULT_IFNAME, next)).toEqual(before)
  await del(next, conf)
  await del(peer, at(2, '10.9.8.3/24'))
  expect(await host.differences()).toEqual([])
})
