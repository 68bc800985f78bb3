import { expect, test } from 'vitest'
import { gc } from '../../../src/commands/gc.js'
import type { Host } from '../../../src/host/ports.js'
import { loadPolicy } from '../../../src/policy/load.js'
import { callHost } from '../../../src/state/folder.js'
import { type Answer, call, hostOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, OTHER_VF_ADDRESS, POD_A, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { parseConf } from '../../fakes/parse.js'
import { IPAM } from '../../fakes/scenarios.js'

const STATE = '/var/lib/cni/sriov'
const RECORD = `${STATE}/pod-a-net1`
const CONF = netConf({ vlan: 5, ...IPAM })
const AGAIN = netConf({ deviceID: OTHER_VF_ADDRESS, ...IPAM })

/** Enough for an ADD that nobody holds up, and much less than one waits for a lock. */
const TICKS = 600

/** A host whose programs begin late: something else goes on for a while before. */
function whileProgramsWait(host: Host, meanwhile: () => void): Host {
  return {
    ...host,
    processes: {
      start: (...given) => ({
        begin: () => undefined,
        async wait(timeoutMs) {
          meanwhile()
          for (let tick = 0; tick < TICKS; tick += 1) {
            await Promise.resolve()
          }
          const child = host.processes.start(...given)
          child.begin()
          return child.wait(timeoutMs)
        },
      }),
    },
  }
}

test('a GC that gives back a lost attachment does not take the lease of the ADD that comes meanwhile', async () => {
  const world = makeMachine()
  await call(world, 'ADD', CONF)
  world.files.delete(RECORD)
  world.removeNetns(POD_A)
  world.addNetns(POD_A)
  let added: Promise<unknown> | undefined
  const host = whileProgramsWait(hostOf(world), () => {
    added ??= call(world, 'ADD', AGAIN)
  })
  const args = { containerId: '', ifName: '', netnsPath: '', extra: {}, environment: {} }
  await gc(callHost(host, loadPolicy(host.files), args, '/var/lib/cni/sriov'), args, {
    ...parseConf({ name: 'sriov-net', 'cni.dev/valid-attachments': [] }),
  })
  expect(messageOf((await added) as Answer)).toBe('')
  expect(messageOf(await call(world, 'CHECK', AGAIN))).toBe('')
  expect([...world.leases.keys()]).toEqual(['pod-a net1'])
  expect(messageOf(await call(world, 'DEL', AGAIN))).toBe('')
  expect(world.vf(VF_ADDRESS).settings.vlan).toBe(0)
})
