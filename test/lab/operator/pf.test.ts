import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { PFS_FILE } from '../../../src/operator/pf/pfs-schema.js'
import { ctlJson, SRIOVCTL } from '../calls/ctl.js'
import { add, del, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { link } from '../host/kernel-view.js'
import { ip, run, shell, start } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { OTHER_PF, PF, vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const numVfs = (pf: string): string => `/sys/class/net/${pf}/device/sriov_numvfs`
const count = (pf: string): number => Number(readFileSync(numVfs(pf), 'utf8'))

async function configure(...pfs: object[]): Promise<void> {
  await shell('mkdir -p /etc/sriov-cni')
  writeFileSync(PFS_FILE, JSON.stringify({ pfs }))
}

const apply = () => run(SRIOVCTL, ['pf', 'apply'])

afterEach(() => rmSync(PFS_FILE, { force: true }))

test('the VFs of a node that was just booted are made, once', async () => {
  await host.prepare(async () => {
    writeFileSync(numVfs(OTHER_PF), '0')
    await ip(`link set ${OTHER_PF} down`)
    await configure({ pf: OTHER_PF, numVfs: 7, up: true })
    expect(await apply()).toMatchObject({
      exitCode: 0,
      stdout: `${OTHER_PF}: bring ${OTHER_PF} up; set sriov_numvfs 7 (was 0)\n`,
    })
    expect(count(OTHER_PF)).toBe(7)
    expect((await link(OTHER_PF)).flags).toContain('UP')
    expect(await apply()).toMatchObject({ exitCode: 0, stdout: `${OTHER_PF}: is as it should be\n` })
    // Killed in the middle, it goes on the next time.
    writeFileSync(numVfs(OTHER_PF), '0')
    for (const pause of [0.2, 0.5, 0.8]) {
      const running = start(SRIOVCTL, ['pf', 'apply'])
      await shell(`sleep ${pause}`)
      running.killGroup()
      await running.done
    }
    expect((await apply()).exitCode).toBe(0)
    expect(count(OTHER_PF)).toBe(7)
    await shell('sleep 2')
  })
})

test('VFs that a pod has are not taken away', async () => {
  const pod = await newPod()
  await add(pod, netConf(vf(3), { vlan: 100 }))
  await configure({ pf: PF, numVfs: 3 })
  const { exitCode, stdout } = await apply()
  expect(exitCode).toBe(1)
  expect(stdout).toContain(`these are in use: ${vf(3).pci} (in-use)`)
  expect(count(PF)).toBe(7)
  await del(pod, netConf(vf(3), { vlan: 100 }))
  expect(await host.differences()).toEqual([])
  await host.prepare(async () => {
    expect(await apply()).toMatchObject({ exitCode: 0, stdout: `${PF}: set sriov_numvfs 3 (was 7)\n` })
    expect(await ctlJson('status')).toMatchObject({ pfs: [{ vfs: { configured: 3 } }, { vfs: { configured: 7 } }] })
    await configure({ pf: PF, numVfs: 7 })
    expect((await apply()).exitCode).toBe(0)
    await shell('sleep 2')
  })
})
