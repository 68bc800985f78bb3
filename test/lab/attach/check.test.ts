import { expect, test } from 'vitest'
import { add, call, check, DEFAULT_IFNAME, del, failing, hostLocal, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { ip } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

untouchedHost()
callsByResident()

const conf = netConf(vf(6), { name: 'checked', ...ALL_SETTINGS, ...hostLocal() })

test('CHECK accepts what ADD set up and names everything that was tampered with', async () => {
  const pod = await newPod()
  const result = await add(pod, conf)
  const withResult = { ...conf, prevResult: result }
  await check(pod, withResult)

  const tampering: readonly (readonly [string, string, RegExp])[] = [
    [
      `-n ${pod.name} link set ${DEFAULT_IFNAME} mtu 1300`,
      `-n ${pod.name} link set ${DEFAULT_IFNAME} mtu 1400`,
      /MTU is 1300/,
    ],
    ['link set ens1f0 vf 6 vlan 301 qos 4', 'link set ens1f0 vf 6 vlan 300 qos 4', /vlan 300/],
    ['link set ens1f0 vf 6 trust off', 'link set ens1f0 vf 6 trust on', /trust on/],
    ['link set ens1f0 vf 6 spoofchk on', 'link set ens1f0 vf 6 spoofchk off', /spoofchk off/],
    ['link set ens1f0 vf 6 max_tx_rate 0', 'link set ens1f0 vf 6 max_tx_rate 150', /max_tx_rate 150/],
    [
      `-n ${pod.name} link set ${DEFAULT_IFNAME} promisc off`,
      `-n ${pod.name} link set ${DEFAULT_IFNAME} promisc on`,
      /promisc/,
    ],
    [
      `-n ${pod.name} link set ${DEFAULT_IFNAME} allmulticast off`,
      `-n ${pod.name} link set ${DEFAULT_IFNAME} allmulticast on`,
      /allmulti/,
    ],
    [
      `-n ${pod.name} link set ${DEFAULT_IFNAME} address 02:00:00:00:0c:01`,
      `-n ${pod.name} link set ${DEFAULT_IFNAME} address 02:00:00:00:00:77`,
      /MAC is 02:00:00:00:0c:01/,
    ],
    [
      `-n ${pod.name} addr del 10.9.0.2/24 dev ${DEFAULT_IFNAME}`,
      `-n ${pod.name} addr add 10.9.0.2/24 dev ${DEFAULT_IFNAME}`,
      /10\.9\.0\.2\/24/,
    ],
    [`-n ${pod.name} link set ${DEFAULT_IFNAME} down`, `-n ${pod.name} link set ${DEFAULT_IFNAME} up`, /down/],
  ]
  for (const [tamper, repair, words] of tampering) {
    await ip(tamper)
    expect.soft((await call('CHECK', pod, withResult)).stdout, tamper).toMatch(words)
    await ip(repair)
  }
  await check(pod, withResult)
  await del(pod, conf)
})

test('CHECK fails before ADD and after DEL', async () => {
  const pod = await newPod()
  const simple = netConf(vf(6))
  expect((await failing('CHECK', pod, simple)).msg).toMatch(/no record/)
  const result = await add(pod, simple)
  await del(pod, simple)
  expect((await failing('CHECK', pod, { ...simple, prevResult: result })).msg).toMatch(/no record/)
})

test('CHECK fails when the interface is gone from the pod', async () => {
  const pod = await newPod()
  const simple = netConf(vf(6))
  await add(pod, simple)
  await ip(`-n ${pod.name} link set ${DEFAULT_IFNAME} down`)
  await ip(`-n ${pod.name} link set ${DEFAULT_IFNAME} name other0`)
  expect((await failing('CHECK', pod, simple)).msg).toMatch(/no interface net1/)
  await del(pod, simple)
})
