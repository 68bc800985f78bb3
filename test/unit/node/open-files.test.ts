import { describe, expect, test } from 'vitest'
import type { FilePort } from '../../../src/host/ports.js'
import { pidsThat, processesByTarget, processName } from '../../../src/node/open-files.js'
import { hostOf } from '../../fakes/call.js'
import { makeMachine } from '../../fakes/machine/machine.js'

const WANTED = '/dev/vfio/20'

const holders = (files: FilePort) =>
  pidsThat(files, (_pid, _fd, target) => target === WANTED).map((pid) => processName(files, pid))

function prepared() {
  const world = makeMachine()
  const { files } = hostOf(world)
  world.symlinks.set('/proc/12/fd/0', '/dev/null')
  world.symlinks.set('/proc/12/fd/7', WANTED)
  world.files.set('/proc/12/comm', 'dpdk-testpmd\n')
  world.symlinks.set('/proc/13/fd/7', '/dev/vfio/21')
  return { world, files }
}

describe('pidsThat()', () => {
  test('names each process once, with its program', () => {
    const { world, files } = prepared()
    world.symlinks.set('/proc/12/fd/8', WANTED)
    expect(holders(files)).toEqual(['process 12 (dpdk-testpmd)'])
  })

  test('names one whose program does not show by its number', () => {
    const { world, files } = prepared()
    world.files.delete('/proc/12/comm')
    expect(holders(files)).toEqual(['process 12'])
  })

  test('looks at processes only', () => {
    const { world, files } = prepared()
    world.symlinks.set('/proc/self/fd/7', WANTED)
    world.symlinks.set('/proc/bus/fd/7', WANTED)
    expect(holders(files)).toEqual(['process 12 (dpdk-testpmd)'])
  })

  test('skips a process that may not be looked at, and names the others', () => {
    const { world, files } = prepared()
    world.symlinks.set('/proc/11/fd/7', WANTED)
    const refuse = (): never => {
      throw new Error('EACCES')
    }
    const denied: FilePort = {
      ...files,
      names: (folder) => (folder === '/proc/11/fd' ? refuse() : files.names(folder)),
      readText: (path) => (path === '/proc/12/comm' ? refuse() : files.readText(path)),
    }
    expect(holders(denied)).toEqual(['process 12'])
  })

  test('is empty where there is no /proc, or none that can be read', () => {
    const { files } = prepared()
    expect(holders(hostOf(makeMachine()).files)).toEqual([])
    const denied = {
      ...files,
      list: (): never => {
        throw new Error('EACCES')
      },
    }
    expect(holders(denied)).toEqual([])
  })

  test('tells the number of the descriptor', () => {
    const { files } = prepared()
    expect(pidsThat(files, (pid, fd) => pid === '13' && fd === '7')).toEqual(['13'])
  })
})

test('processesByTarget() finds the same, and lets others have their turn', async () => {
  const { world } = prepared()
  for (let fd = 10; fd < 10_000; fd += 1) {
    world.symlinks.set(`/proc/12/fd/${fd}`, fd % 3 === 0 ? WANTED : '/dev/null')
  }
  const host = hostOf(world)
  let turns = 0
  const clock = {
    ...host.clock,
    sleep: async () => {
      turns += 1
    },
  }
  const found = await processesByTarget({ files: host.files, clock }, new Set([WANTED]))
  expect([...found]).toEqual([[WANTED, ['process 12 (dpdk-testpmd)']]])
  expect(turns).toBeGreaterThan(3)
})
