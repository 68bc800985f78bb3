import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { abandonedWrites, writeAttribute } from '../../src/host/files/attributes.js'

const folder = mkdtempSync(join(tmpdir(), 'sriov-attribute-'))
const isRoot = process.getuid?.() === 0

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const faultOf = (path: string, text: string) =>
  writeAttribute(path, text).then(
    () => undefined,
    (error: unknown) => (error as { fault: unknown }).fault,
  )

describe('writeAttribute()', () => {
  test('writes the text to what is there', async () => {
    const path = join(folder, 'attribute')
    writeFileSync(path, '')
    await writeAttribute(path, 'vfio-pci\n')
    expect(readFileSync(path, 'utf8')).toBe('vfio-pci\n')
  })

  test('makes no file, and names path, text and errno', async () => {
    const path = join(folder, 'no-such-attribute')
    expect(await faultOf(path, '0000:01:10.4\n')).toEqual({
      kind: 'kernel',
      operation: 'write "0000:01:10.4"',
      target: path,
      code: 'ENOENT',
    })
  })

  test('gives the errno of the write itself', async () => {
    expect(await faultOf('/dev/full', '1')).toMatchObject({ code: 'ENOSPC', target: '/dev/full' })
  })

  test.skipIf(!isRoot)(`gives the errno of a driver in sysfs (${isRoot ? 'can run here' : 'needs root'})`, async () => {
    expect(await faultOf('/sys/bus/pci/drivers_probe', 'no-such-device')).toMatchObject({ kind: 'kernel' })
  })

  test('does not block what else this process does while the driver takes its time', async () => {
    const fifo = join(folder, 'slow')
    execFileSync('mkfifo', [fifo])
    // 64 KiB fill a pipe; the rest has to wait for a reader.
    const holder = openSync(fifo, 'r+')
    const writing = writeAttribute(fifo, 'x'.repeat(100_000))
    let ticks = 0
    const timer = setInterval(() => {
      ticks += 1
    }, 5)
    await expect.poll(() => ticks).toBeGreaterThan(3)
    for (let read = 0; read < 100_000; ) {
      read += readSync(holder, Buffer.alloc(65_536))
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    await writing
    clearInterval(timer)
    closeSync(holder)
  })

  test('leaves threads for others, and counts the writes that drivers do not return from', async () => {
    const fifos = Array.from({ length: 10 }, (_, i) => join(folder, `stuck-${i}`))
    const holders = fifos.map((fifo) => {
      execFileSync('mkfifo', [fifo])
      return openSync(fifo, 'r+')
    })
    const faults = await Promise.all(
      fifos.map((fifo) =>
        writeAttribute(fifo, 'x'.repeat(100_000), 300).then(
          () => undefined,
          (error: unknown) => (error as { fault: { code: string } }).fault.code,
        ),
      ),
    )
    expect(faults).toEqual(fifos.map(() => 'ETIMEDOUT'))
    expect(abandonedWrites()).toBe(8)
    // A reader comes: the writes return, and the next one is through.
    const drain = setInterval(() => {
      for (const holder of holders) {
        spawnSync('timeout', ['0.02', 'cat'], { stdio: [holder, 'ignore', 'ignore'] })
      }
    }, 10)
    await expect.poll(abandonedWrites, { timeout: 20_000 }).toBe(0)
    clearInterval(drain)
    const path = join(folder, 'attribute-after')
    writeFileSync(path, '')
    await writeAttribute(path, 'done')
    expect(readFileSync(path, 'utf8')).toBe('done')
    for (const holder of holders) {
      closeSync(holder)
    }
  })
})
