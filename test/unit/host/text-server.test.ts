import { spawnSync } from 'node:child_process'
import { lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { serveText } from '../../../src/host/sockets/text-server.js'

let folder = ''
let made = 0
let fails = false
let server: Disposable

interface Answer {
  readonly status: number | undefined
  readonly type: string | undefined
  readonly body: string
}

const ask = (path: string, method = 'GET'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(folder, 'socket'), path, method }, (response) => {
      let body = ''
      response.on('data', (part) => {
        body += part
      })
      response.on('end', () => resolve({ status: response.statusCode, type: response.headers['content-type'], body }))
    })
    asked.on('error', reject)
    asked.end()
  })

beforeEach(async () => {
  folder = mkdtempSync('/tmp/text-server-')
  made = 0
  fails = false
  // One that a killed process left.
  const killed = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))"
  spawnSync(process.execPath, ['-e', killed, join(folder, 'socket')])
  expect(lstatSync(join(folder, 'socket')).isSocket()).toBe(true)
  server = await serveText(
    { path: join(folder, 'socket') },
    {
      path: '/metrics',
      contentType: 'text/plain',
      async make() {
        made += 1
        if (fails) {
          throw new Error('no')
        }
        return `made ${made}\n`
      },
    },
  )
})

afterEach(() => {
  server[Symbol.dispose]()
  rmSync(folder, { recursive: true })
})

describe('serveText()', () => {
  test('gives the text; many who ask at the same time get one', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => ask('/metrics?x=1')))
    expect(answers).toEqual(answers.map(() => ({ status: 200, type: 'text/plain', body: 'made 1\n' })))
    expect(made).toBe(1)
  })

  test('has nothing else, and takes nothing', async () => {
    expect((await ask('/')).status).toBe(404)
    expect((await ask('/metrics/../x')).status).toBe(404)
    expect((await ask('/metrics', 'POST')).status).toBe(405)
    expect(made).toBe(0)
  })

  test('says that it has failed', async () => {
    fails = true
    expect((await ask('/metrics')).status).toBe(500)
  })

  test('leaves a file alone that is no socket', async () => {
    const path = join(folder, 'file')
    writeFileSync(path, 'precious')
    const text = { path: '/', contentType: 'text/plain', make: async () => '' }
    await expect(serveText({ path }, text)).rejects.toThrow('EADDRINUSE')
    expect(readFileSync(path, 'utf8')).toBe('precious')
  })

  test('says why it cannot listen', async () => {
    const text = { path: '/', contentType: 'text/plain', make: async () => '' }
    await expect(serveText({ path: join(folder, 'no-such-folder', 'socket') }, text)).rejects.toThrow(/EACCES|ENOENT/)
  })
})
