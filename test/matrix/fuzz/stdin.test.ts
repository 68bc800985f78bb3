import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isIdentifier } from '../../../src/cni/args.js'
import { hostOf, netConf } from '../../fakes/call.js'
import { makeMachine, POD_A } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { IPAM } from '../../fakes/scenarios.js'
import { environments } from './environments.js'
import { stdinText } from './inputs.js'
import { FUZZ_SEED, fuzz } from './seed.js'
import { callOn } from './wrapped-call.js'

const LIMIT = { timeout: 300_000 }

const CALLER = {
  CNI_CONTAINERID: 'pod-a',
  CNI_NETNS: POD_A,
  CNI_IFNAME: 'net1',
  CNI_PATH: '/opt/cni/bin',
} as const

const verbs = fc.constantFrom('ADD', 'ADD', 'ADD', 'DEL', 'CHECK', 'GC', 'STATUS')

const verbAndStdin = fc.record({ verb: verbs, stdin: stdinText })
const environmentAndStdin = fc.record({
  environment: environments,
  stdin: fc.oneof(
    { weight: 2, arbitrary: fc.constant(JSON.stringify(netConf({ ...IPAM, vlan: 5 }))) },
    { weight: 1, arbitrary: stdinText },
  ),
})

test(`stdin of every kind gets an answer, and a DEL brings all back; seed ${FUZZ_SEED}`, LIMIT, async () => {
  const world = makeMachine()
  const before = snapshot(world)
  await fuzz(4000, verbAndStdin, async ({ verb, stdin }) => {
    await callOn(world, { ...CALLER, CNI_COMMAND: verb }, stdin, hostOf(world))
    const conf = JSON.stringify(netConf(IPAM))
    const del = await callOn(world, { ...CALLER, CNI_COMMAND: 'DEL' }, conf, hostOf(world))
    expect(del).toMatchObject({ exitCode: 0, stdout: '' })
    expect(snapshot(world)).toEqual(before)
  })
})

test(`an environment of any kind gets an answer, and a DEL brings all back; seed ${FUZZ_SEED}`, LIMIT, async () => {
  const world = makeMachine()
  const before = snapshot(world)
  await fuzz(4000, environmentAndStdin, async ({ environment, stdin }) => {
    await callOn(world, environment, stdin, hostOf(world))
    const { CNI_CONTAINERID = '' } = environment
    if (isIdentifier(CNI_CONTAINERID)) {
      const conf = JSON.stringify(netConf(IPAM))
      const caller = { ...environment, CNI_COMMAND: 'DEL', CNI_NETNS: '', CNI_PATH: '/opt/cni/bin' }
      await callOn(world, caller, conf, hostOf(world))
    }
    expect(snapshot(world)).toEqual(before)
  })
})
