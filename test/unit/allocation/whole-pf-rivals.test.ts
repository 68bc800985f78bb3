import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine, PF, POD_A, POD_B, VF_ADDRESS, VF_INDEX } from '../../fakes/machine/machine.js'
import { giveTo } from '../../fakes/machine/pci-drivers.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import type { FakeWorld } from '../../fakes/machine/world.js'

const WHOLE_PF = netConf({ deviceID: undefined, master: PF, pfOnly: true })
const AS_B = { containerId: 'pod-b', netns: POD_B }

async function refused(world: FakeWorld): Promise<string> {
  const before = snapshot(world)
  const answer = await call(world, 'ADD', WHOLE_PF, AS_B)
  expect(codeOf(answer)).toBe(102)
  expect(snapshot(world)).toEqual(before)
  return messageOf(answer)
}

describe('ADD of a whole PF is refused while one of its VFs', () => {
  test('is a pod of the Go sriov-cni, which has a mark and no claim', async () => {
    const world = makeMachine()
    world.files.set(`/var/lib/cni/sriov/pci/${VF_ADDRESS}`, POD_A)
    expect(await refused(world)).toMatch(new RegExp(`${VF_ADDRESS}.*${POD_A}`))
  })

  test('is open in a program', async () => {
    const world = makeMachine()
    giveTo(world, VF_ADDRESS, 'vfio-pci')
    world.symlinks.set('/proc/4711/fd/9', `/dev/vfio/${VF_INDEX + 20}`)
    world.files.set('/proc/4711/comm', 'qemu-system-x86\n')
    expect(await refused(world)).toContain('process 4711 (qemu-system-x86)')
  })

  test('is a pod of ours', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf())
    expect(await refused(world)).toContain('pod-a')
  })
})

test('ADD of a whole PF succeeds when the mark of a VF is of a dead pod', async () => {
  const world = makeMachine()
  world.files.set(`/var/lib/cni/sriov/pci/${VF_ADDRESS}`, '/run/netns/gone')
  expect(messageOf(await call(world, 'ADD', WHOLE_PF, AS_B))).toBe('')
})
