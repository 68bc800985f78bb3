import { closeSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { realClock } from '../../src/host/clock.js'
import { realFiles } from '../../src/host/files/real-files.js'
import { realProcesses } from '../../src/host/process/processes.js'
import { lockHolders } from '../../src/node/lock-holders.js'
import { addon } from './netns.js'

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sriov-holders-')))
const files = realFiles(addon())

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('lockHolders() names this process while it has the lock, and nobody who only waits', async () => {
  const path = join(folder, 'lock')
  const lock = files.tryLock(path)
  expect(await lockHolders({ files, clock: realClock }, path)).toMatch(new RegExp(`^process ${process.pid} \\(.+\\)$`))
  lock?.[Symbol.dispose]()
  expect(await lockHolders({ files, clock: realClock }, path)).toBe('a process that cannot be seen from here')
})

test('lockHolders() names a program that has inherited the lock of a process that is gone', async () => {
  const path = join(folder, 'inherited')
  const program = join(folder, 'slow-ipam')
  writeFileSync(program, '#!/bin/sh\nexec sleep 5\n', { mode: 0o755 })
  const lock = files.tryLock(path)
  const child = realProcesses(addon()).start({ path: program, environment: { PATH: '/bin:/usr/bin' }, held: lock })
  closeSync(lock?.fd ?? -1)
  await expect.poll(() => lockHolders({ files, clock: realClock }, path)).toMatch(/^process \d+ \(sleep\)$/)
  // As long for its end once it is killed.
  await child.wait(1_000)
})
