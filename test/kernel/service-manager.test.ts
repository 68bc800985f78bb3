import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { serviceManager } from '../../src/host/process/service-manager.js'
import { addon } from './netns.js'

const folder = mkdtempSync(join(tmpdir(), 'sriov-notify-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Listens as systemd does; `heard` grows by a line for each datagram. */
async function listenAt(path: string) {
  const script = `import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', chr(0), 1) if sys.argv[1].startswith('@') else sys.argv[1])
print('listening', flush=True)
while True:
    print(s.recv(100).decode(), flush=True)`
  const child = spawn('python3', ['-c', script, path], { stdio: ['ignore', 'pipe', 'inherit'] })
  let heard = ''
  child.stdout.on('data', (chunk) => {
    heard += chunk
  })
  await expect.poll(() => heard).toContain('listening')
  return { heard: () => heard, end: () => child.kill('SIGKILL') }
}

describe('serviceManager()', () => {
  test.each([
    ['a path', join(folder, 'notify')],
    ['an abstract address', `@sriov-test-${process.pid}`],
  ])('tells systemd at %s that it is there, that its event loop turns, and that it ends', async (_what, socket) => {
    const systemd = await listenAt(socket)
    const manager = serviceManager(addon(), { NOTIFY_SOCKET: socket, WATCHDOG_USEC: '100000' })
    manager.ready()
    await expect.poll(() => systemd.heard().split('WATCHDOG=1').length).toBeGreaterThan(3)
    manager.stopping()
    await expect.poll(systemd.heard).toContain('STOPPING=1')
    manager.close()
    expect(systemd.heard()).toMatch(/^listening\nREADY=1\nWATCHDOG=1\n/)
    systemd.end()
  })

  test('does nothing where nobody has asked or nobody listens', () => {
    for (const environment of [{}, { NOTIFY_SOCKET: '' }, { NOTIFY_SOCKET: join(folder, 'nobody') }]) {
      const manager = serviceManager(addon(), environment)
      manager.ready()
      manager.close()
    }
  })
})
