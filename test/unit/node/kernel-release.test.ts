import { describe, expect, test } from 'vitest'
import { call, codeOf, messageOf, netConf } from '../../fakes/call.js'
import { makeMachine } from '../../fakes/machine/machine.js'
import { snapshot } from '../../fakes/machine/snapshot.js'

const RELEASE_PATH = '/proc/sys/kernel/osrelease'

describe.each(['3.10.0-1160.el7.x86_64', '4.4.302', '4.17.19'])('on Linux %s', (release) => {
  test('ADD is refused with code 110 and changes nothing; DEL and GC are not refused', async () => {
    const world = makeMachine()
    await call(world, 'ADD', netConf())
    world.files.set(RELEASE_PATH, `${release}\n`)
    const before = snapshot(world)
    const refused = await call(world, 'ADD', netConf(), { containerId: 'pod-b' })
    expect(codeOf(refused)).toBe(110)
    expect(messageOf(refused)).toContain(`Linux ${release} on this node is too old`)
    expect(snapshot(world)).toEqual(before)
    expect(messageOf(await call(world, 'GC', netConf(), { netns: '' }))).toBe('')
    expect(messageOf(await call(world, 'DEL', netConf()))).toBe('')
  })
})

test.each(['4.18.0-553.el8_10.x86_64', '5.10.0-32-amd64', '10.0.1', 'a kernel without a number'])(
  'ADD works on Linux %s',
  async (release) => {
    const world = makeMachine()
    world.files.set(RELEASE_PATH, `${release}\n`)
    expect(messageOf(await call(world, 'ADD', netConf()))).toBe('')
  },
)
