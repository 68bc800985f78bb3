import { expect, test } from 'vitest'
import { leaseEnd } from '../../../src/sriov/give-back/lease.js'
import { callHostAs } from '../../fakes/call.js'
import { leaseProgram } from '../../fakes/ipam.js'
import { IPAM_PATH, makeMachine } from '../../fakes/machine/machine.js'

const CALL = { type: 'host-local', stdin: '{}', environment: {} }
const LOCK = { fd: -1, leaveToChild: () => undefined, [Symbol.dispose]: () => undefined }

/** An end of a lease, and how often its IPAM plugin was started. */
function ending() {
  const world = makeMachine()
  world.programs.set(IPAM_PATH, leaseProgram())
  const host = callHostAs(world, { CNI_PATH: IPAM_PATH.slice(0, IPAM_PATH.lastIndexOf('/')) })
  let starts = 0
  const processes = {
    ...host.processes,
    start: (...command: Parameters<typeof host.processes.start>) => {
      starts += 1
      return host.processes.start(...command)
    },
  }
  const lease = leaseEnd({ ...host, processes }, () => CALL, { isRefused: false, lock: LOCK })
  return { lease, starts: () => starts }
}

test('a plugin that is made ready is the one that frees the lease', async () => {
  const { lease, starts } = ending()
  lease.makeReady()
  expect(await lease.free()).toEqual([])
  expect(starts()).toBe(1)
})

test('no plugin is made ready for a release that was given up: nobody would end it', async () => {
  const { lease, starts } = ending()
  await lease.abandon()
  lease.makeReady()
  expect(starts()).toBe(0)
})
