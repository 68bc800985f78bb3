import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { failingAt, leaseProgram } from '../../fakes/ipam.js'
import { findByName, makeLink } from '../../fakes/kernel/links.js'
import { type Effect, everyChange, recordEffects, refuseAt } from '../../fakes/machine/interference.js'
import { IPAM_PATH, makeMachine, POD_A, VF_ADDRESS, VF_NAME } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { BOOT_ID_PATH, HOST_NETNS } from '../../fakes/machine/world.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

const FULL = netConf({ ...ALL_SETTINGS, ...IPAM })
const RECORD = '/var/lib/cni/sriov/pod-a-net1'
const CLAIM = `/var/lib/cni/sriov/.vf-${VF_ADDRESS}`

async function attached() {
  const world = makeMachine()
  const before = snapshot(world)
  await call(world, 'ADD', FULL)
  return { world, before }
}

describe('DEL', () => {
  test('without a record succeeds and frees the lease', async () => {
    const world = makeMachine()
    world.leases.set('pod-a net1', '')
    expect(await call(world, 'DEL', FULL)).toMatchObject({ exitCode: 0, stdout: '' })
    expect(world.leases.size).toBe(0)
  })

  test.each(['', 'garbage', '{"schema":1}', '[]'])('with the corrupt record %j succeeds', async (text) => {
    const world = makeMachine()
    world.folders.add('/var/lib/cni/sriov')
    world.files.set(RECORD, text)
    expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
    expect(world.files.has(RECORD)).toBe(false)
  })

  test('keeps the lease while the pod has the interface, and frees it with the next DEL', async () => {
    const { world, before } = await attached()
    const interfere = refuseAt(({ kind, isChange }) => kind === 'netlink' && isChange, 0, 'EBUSY', 100)
    const answer = await call(world, 'DEL', FULL, { interfere })
    expect(codeOf(answer)).toBe(109)
    expect([...world.leases.keys()]).toEqual(['pod-a net1'])
    expect(messageOf(await call(world, 'DEL', FULL))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test('keeps the lease when the interface stays in the pod because sysfs refuses something before', async () => {
    const { world, before } = await attached()
    const interfere = refuseAt(({ what }) => what.includes('driver_override'), 0, 'EIO', 100)
    world.vf(VF_ADDRESS).driverOverride = 'other'
    expect(codeOf(await call(world, 'DEL', FULL, { interfere }))).toBe(109)
    expect([...world.leases.keys()]).toEqual(['pod-a net1'])
    expect(messageOf(await call(world, 'DEL', FULL))).toBe('')
    expect(snapshot(world)).toEqual(before)
  })

  test.each([true, false])('brings its note to the disk before the claim goes (threads: %s)', async (hasThreads) => {
    const { world } = await attached()
    world.hasThreads = hasThreads
    const effects: Effect[] = []
    await call(world, 'DEL', FULL, { interfere: recordEffects(everyChange, effects) })
    const at = (what: string) => effects.findIndex((effect) => effect.what === what)
    expect(at(`sync ${RECORD}`)).toBeGreaterThan(at(`write ${RECORD}`))
    expect(at(`remove ${CLAIM}`)).toBeGreaterThan(at(`sync ${RECORD}`))
  })

  test('keeps the record of a newer version of this plugin', async () => {
    const world = makeMachine()
    world.files.set(RECORD, '{"schema":99}')
    expect(codeOf(await call(world, 'DEL', FULL))).toBe(106)
    expect(world.files.get(RECORD)).toBe('{"schema":99}')
  })

  test('keeps the record of a newer version that has this version’s claim beside it: it may know more', async () => {
    const { world } = await attached()
    world.files.set(RECORD, '{"schema":99}')
    const { vfs } = snapshot(world)
    expect(codeOf(await call(world, 'DEL', FULL))).toBe(106)
    expect(world.files.get(RECORD)).toBe('{"schema":99}')
    expect(snapshot(world).vfs).toEqual(vfs)
  })

  test.each(['a plain file', 'another namespace'])('works when the namespace path is %s by now', async (what) => {
    const { world } = await attached()
    world.removeNetns(POD_A)
    if (what === 'a plain file') {
      world.files.set(POD_A, '')
    } else {
      world.addNetns(POD_A)
    }
    expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
    expect(world.link(world.host, VF_NAME)).toMatchObject({ mtu: 1500, isUp: false, parentDevice: VF_ADDRESS })
  })

  test('restores a VF that came back under another name', async () => {
    const { world, before } = await attached()
    world.host.links.push(makeLink({ name: 'net1' }))
    world.removeNetns(POD_A)
    expect(findByName(world.host, 'dev0')?.parentDevice).toBe(VF_ADDRESS)
    expect(codeOf(await call(world, 'DEL', FULL, { netns: '' }))).toBeUndefined()
    world.host.links.splice(world.host.links.indexOf(world.link(world.host, 'net1')), 1)
    expect(snapshot(world).vfs).toEqual(before.vfs)
    expect(world.link(world.host, VF_NAME).mtu).toBe(1500)
  })

  test('finds the VF in the pod under another name', async () => {
    const { world, before } = await attached()
    world.link(world.netns(POD_A), 'net1').name = 'renamed'
    expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('brings the VF home when another interface has its name by now', async () => {
    const { world } = await attached()
    world.host.links.push(makeLink({ name: VF_NAME, mac: '02:00:00:00:00:ee' }))
    expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
    expect(world.link(world.host, VF_NAME).mac).toBe('02:00:00:00:00:ee')
    expect(world.host.links.filter(({ parentDevice }) => parentDevice === VF_ADDRESS)).toHaveLength(1)
  })

  test('succeeds when the card is gone', async () => {
    const { world } = await attached()
    world.removeNetns(POD_A)
    world.cards.splice(0)
    expect(codeOf(await call(world, 'DEL', FULL, { netns: '' }))).toBeUndefined()
    expect(world.files.has(RECORD)).toBe(false)
  })

  test('does not touch the VF after another boot', async () => {
    const { world } = await attached()
    world.files.set(BOOT_ID_PATH, 'boot-2\n')
    const { vfs } = snapshot(world)
    expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
    expect(snapshot(world).vfs).toEqual(vfs)
    expect(world.files.has(RECORD)).toBe(false)
  })

  test('goes on with an invalid configuration', async () => {
    const { world, before } = await attached()
    expect(codeOf(await call(world, 'DEL', netConf({ ...IPAM, spoofchk: 'yes', vlan: 'x' })))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test('keeps the record when the lease cannot be freed, and gives the VF back all the same', async () => {
    const { world, before } = await attached()
    world.programs.set(IPAM_PATH, failingAt('DEL', { code: 150, msg: 'the pool is locked' }))
    const answer = await call(world, 'DEL', FULL)
    expect(codeOf(answer)).toBe(109)
    expect(messageOf(answer)).toContain('the pool is locked')
    expect(snapshot(world)).toMatchObject({ vfs: before.vfs, namespaces: before.namespaces })
    world.programs.set(IPAM_PATH, leaseProgram())
    expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  describe('when the configuration has been changed since the ADD, calls the IPAM plugin', () => {
    const NOW = { ...FULL, name: 'renamed', cniVersion: '0.4.0', ipam: { ...IPAM.ipam, dataDir: '/new' } }
    /** A plugin that knows a lease by its whole configuration, and speaks one version. */
    async function asked(mayFail: (conf: Record<string, unknown>) => boolean) {
      const { world, before } = await attached()
      const names: unknown[] = []
      const program = leaseProgram()
      world.programs.set(IPAM_PATH, (start, of) => {
        const conf = JSON.parse(start.stdin || '{}') as Record<string, unknown>
        names.push(conf.name)
        return mayFail(conf) ? { status: 1, stdout: JSON.stringify({ code: 150, msg: 'no' }) } : program(start, of)
      })
      const answer = await call(world, 'DEL', NOW)
      return { answer, names, world, before }
    }

    test('as the ADD did', async () => {
      const { answer, names, world, before } = await asked(({ name }) => name === 'renamed')
      expect([messageOf(answer), names]).toEqual(['', ['sriov-net']])
      expect(snapshot(world)).toEqual(before)
    })

    test('as it is now where that fails', async () => {
      const { answer, names, world, before } = await asked(({ name }) => name !== 'renamed')
      expect([messageOf(answer), names]).toEqual(['', ['sriov-net', 'renamed']])
      expect(snapshot(world)).toEqual(before)
    })

    test('with what is left in another key as it is now', async () => {
      const { world } = await attached()
      const stdins: string[] = []
      world.programs.set(IPAM_PATH, ({ stdin }) => {
        stdins.push(stdin)
        return { status: 0, stdout: '' }
      })
      const now = { ...FULL, vlan: 7 }
      await call(world, 'DEL', now)
      expect(stdins).toEqual([JSON.stringify(now)])
    })
  })

  test('lets the IPAM plugin get ready before the interface leaves the pod, and free the lease after', async () => {
    const world = makeMachine()
    world.hasThreads = true
    await call(world, 'ADD', netConf(IPAM))
    const effects: Effect[] = []
    await call(world, 'DEL', netConf(IPAM), {
      interfere: recordEffects(({ kind, isChange }) => kind === 'exec' || (kind === 'netlink' && isChange), effects),
    })
    const order = effects.map(({ what }) => what)
    const ready = order.findIndex((what) => what.startsWith('make ready'))
    const away = order.findIndex((what) => what.startsWith('RTM_NEWLINK'))
    const freed = order.findIndex((what) => /^\S+host-local DEL/.test(what))
    expect(ready).toBeGreaterThanOrEqual(0)
    expect(away).toBeGreaterThanOrEqual(0)
    expect(freed).toBeGreaterThan(ready)
    expect(freed).toBeGreaterThan(away)
  })

  test('two things refused at once are one answer, and no error stays without somebody who waits for it', async () => {
    const { world, before } = await attached()
    const orphans: unknown[] = []
    const note = (reason: unknown) => orphans.push(reason)
    process.on('unhandledRejection', note)
    const answer = await call(world, 'DEL', FULL, {
      netns: '',
      interfere: ({ kind, what }, work, refuse) =>
        (kind === 'netlink' && what.startsWith('RTM_NEWLINK')) || (kind === 'netns' && what === HOST_NETNS)
          ? refuse('EMFILE')
          : work(),
    })
    await new Promise(setImmediate)
    process.off('unhandledRejection', note)
    expect(messageOf(answer)).toMatch(/EMFILE/)
    expect(orphans).toEqual([])
    expect(codeOf(await call(world, 'DEL', FULL))).toBeUndefined()
    expect(snapshot(world)).toEqual(before)
  })

  test.each(['does not exist', 'not found', 'no such file or directory'])('never says "%s"', async (words) => {
    const { world } = await attached()
    world.removeNetns(POD_A, 100_000)
    world.programs.delete(IPAM_PATH)
    const answer = await call(world, 'DEL', FULL, { netns: '' })
    expect(codeOf(answer)).toBe(109)
    expect(messageOf(answer).toLowerCase()).not.toContain(words)
  })

  test('does not say "no such file or directory" when the IPAM plugin does: containerd would swallow it', async () => {
    const { world } = await attached()
    world.programs.set(IPAM_PATH, failingAt('DEL', { code: 150, msg: 'open /x: no such file or directory' }))
    expect(messageOf(await call(world, 'DEL', FULL)).toLowerCase()).not.toContain('no such file or directory')
  })
})
