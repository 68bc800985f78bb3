import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { del, hostLocal, netConf } from '../calls/plugin.js'
import { settingsOf } from '../host/kernel-view.js'
import { must, type Running, run, shell, start, until } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const ROOTFS = '/run/rootfs'
const CONF_DIR = '/etc/cni/net.d'
const MAC = '02:00:00:00:0e:01'
/** What the container prints: its interfaces but lo, with address, MAC and MTU. */
const SHOW = '/bin/busybox ip addr show'

const plugin = netConf(vf(0), { vlan: 100, mac: MAC, mtu: 1400, ...hostLocal() })
const { cniVersion: _version, name: _name, ...inList } = plugin

function writeConfList(cniVersion: string): void {
  rmSync(CONF_DIR, { recursive: true, force: true })
  mkdirSync(CONF_DIR, { recursive: true })
  const list = { cniVersion, name: 'lab', plugins: [inList] }
  writeFileSync(`${CONF_DIR}/10-lab.conflist`, JSON.stringify(list))
}

const expectAddresses = (shown: string): void => {
  expect(shown).toMatch(new RegExp(`mtu 1400[^]*link/ether ${MAC}[^]*inet 10\\.9\\.0\\.\\d+/24`))
}

beforeAll(async () => {
  await shell(`mkdir -p ${ROOTFS}/{bin,proc,sys,dev,etc,tmp,run}; cp /bin/busybox ${ROOTFS}/bin/
    ln -sf busybox ${ROOTFS}/bin/sh; ln -sf busybox ${ROOTFS}/bin/sleep`)
})

afterAll(() => rmSync(CONF_DIR, { recursive: true, force: true }))

describe('containerd', () => {
  let daemon: Running | undefined

  beforeAll(async () => {
    writeConfList('1.0.0')
    daemon = start('containerd', ['--log-level', 'warn'])
    await until('containerd answers', async () => (await run('ctr', ['version'])).exitCode === 0)
  })

  afterAll(async () => {
    process.kill(daemon?.pid ?? 0, 'SIGTERM')
    await daemon?.done
  })

  test('gives a container its VF and takes it back when it ends', async () => {
    const shown = await must(
      ...(['ctr', 'run', '--cni', '--rm', '--rootfs', ROOTFS, 'short', '/bin/sh', '-c', SHOW] as const),
    )
    expectAddresses(shown)
    expect(await host.differences()).toEqual([])
  })

  test('takes the VF back from a container that was killed', async () => {
    const ctr = start('ctr', ['run', '--cni', '--rm', '--rootfs', ROOTFS, 'long', '/bin/sleep', '600'])
    await until('the task runs', async () => (await must('ctr', 'task', 'ls')).includes('RUNNING'))
    expect(await settingsOf(vf(0))).toMatchObject({ address: MAC, vlan_list: [{ vlan: 100 }] })
    expectAddresses(await must('ctr', 'task', 'exec', '--exec-id', 'look', 'long', '/bin/sh', '-c', SHOW))
    await must('ctr', 'task', 'kill', '-s', 'KILL', 'long')
    // It calls DEL now, without CNI_NETNS: the namespace died with the process.
    await ctr.done
    expect(await host.differences()).toEqual([])
  })

  test('that forgets the DEL of a detached container is made good for by a late DEL', async () => {
    await must('ctr', 'run', '-d', '--cni', '--rootfs', ROOTFS, 'forgotten', '/bin/sleep', '600')
    await must('ctr', 'task', 'kill', '-s', 'KILL', 'forgotten')
    await until('the task has stopped', async () => (await must('ctr', 'task', 'ls')).includes('STOPPED'))
    // This leaves record, VF and lease as they were: ctr was seen not to call DEL for a detached container.
    await must('ctr', 'task', 'delete', 'forgotten')
    await must('ctr', 'container', 'delete', 'forgotten')
    const pod = { name: 'forgotten', containerId: 'default-forgotten', netns: '' }
    await del(pod, plugin, { ifName: 'eth0' })
    expect(await host.differences()).toEqual([])
  })
})
