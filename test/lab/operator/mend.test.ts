import { rmSync } from 'node:fs'
import { expect, test } from 'vitest'
import { SRIOVCTL } from '../calls/ctl.js'
import { add, DEFAULT_IFNAME, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { linksIn, settingsOf } from '../host/kernel-view.js'
import { must, run, shell } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'

const host = untouchedHost()
const VF = vf(2)
const CONF = netConf(VF, { ...ALL_SETTINGS, ...hostLocal() })

test('release takes a VF from a live pod, with its lease, and its DEL then has nothing to do', async () => {
  const pod = await newPod()
  await add(pod, CONF)
  const { exitCode, stderr } = await run(SRIOVCTL, ['release', VF.pci])
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringContaining('Its pod is alive and loses it. Nobody can answer here'),
  ])
  await must(SRIOVCTL, 'release', VF.pci, '--yes')
  expect(await host.differences()).toEqual([])
  expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(['lo'])
  await del(pod, CONF)
})

test('repair brings a VF home whose record, claim and mark are lost, with the defaults of its PF', async () => {
  const pod = await newPod()
  await add(pod, netConf(VF, { vlan: 100, vlanQoS: 3, trust: 'on', max_tx_rate: 200 }))
  for (const path of [`${pod.containerId}-${DEFAULT_IFNAME}`, `.vf-${VF.pci}`, `pci/${VF.pci}`]) {
    rmSync(`${STATE_FOLDER}/${path}`)
  }
  const told = await must(SRIOVCTL, 'repair', VF.pci, '--yes')
  expect(told).toContain(`its interface came from /run/netns/${pod.name}, where it was ${DEFAULT_IFNAME}`)
  expect(await settingsOf(VF)).toMatchObject({ spoofchk: true, trust: false })
  // As resetHost() does it: igb's PF learns the VF's own MAC when the VF is brought up.
  await host.prepare(() =>
    shell(`ip link set ${DEFAULT_IFNAME} name ${VF.name}; ip link set ${VF.name} up; ip link set ${VF.name} down`),
  )
  const next = await newPod()
  await add(next, CONF)
  await del(next, CONF)
})

test('sysdump writes one file that tar(1) lists', async () => {
  const file = '/tmp/sysdump.tar.gz'
  rmSync(file, { force: true })
  await must(SRIOVCTL, 'sysdump', file)
  const names = await must('tar', '-tzf', file)
  expect(names).toContain('sriov-sysdump/status.json')
  expect(await must('tar', '-xzOf', file, 'sriov-sysdump/ip-link.json')).toContain(`"ifname":"${PF}"`)
  expect(await must('tar', '-xzOf', file, 'sriov-sysdump/dmesg.txt')).toContain('igb')
  expect((await run(SRIOVCTL, ['sysdump', file])).exitCode).toBe(1)
})
