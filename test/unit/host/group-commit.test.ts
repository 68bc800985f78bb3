import { expect, test } from 'vitest'
import { groupCommit } from '../../../src/host/files/group-commit.js'

const EIO = 5

/** A disk whose syncs end when told; `broken` paths fail. */
function manualDisk(broken: readonly string[] = []) {
  const syncs: { readonly paths: readonly string[]; end(): void }[] = []
  return {
    syncs,
    addon: {
      syncPaths: (paths: readonly string[]) =>
        new Promise<Buffer>((resolve) => {
          const results = Buffer.alloc(paths.length * Int32Array.BYTES_PER_ELEMENT)
          paths.forEach((path, i) => {
            results.writeInt32LE(broken.includes(path) ? -EIO : 0, i * Int32Array.BYTES_PER_ELEMENT)
          })
          syncs.push({ paths, end: () => resolve(results) })
        }),
    },
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('groupCommit() syncs together what came while another sync was under way, each path once', async () => {
  const { syncs, addon } = manualDisk()
  const sync = groupCommit(addon)
  const first = sync('folder', ['a', 'folder'])
  await turn()
  const others = [sync('folder', ['b', 'folder']), sync('folder', ['c', 'folder'])]
  await turn()
  expect(syncs.map(({ paths }) => paths)).toEqual([['a', 'folder']])
  syncs[0]?.end()
  await first
  await turn()
  expect(syncs.map(({ paths }) => paths)).toEqual([
    ['a', 'folder'],
    ['b', 'folder', 'c'],
  ])
  syncs[1]?.end()
  await Promise.all(others)
})

test('groupCommit() never lets a call off with a sync that began before it asked', async () => {
  const { syncs, addon } = manualDisk()
  const sync = groupCommit(addon)
  const first = sync('folder', ['a'])
  await turn()
  let isOver = false
  const again = sync('folder', ['a']).then(() => {
    isOver = true
  })
  syncs[0]?.end()
  await first
  await turn()
  expect(isOver).toBe(false)
  syncs[1]?.end()
  await again
})

test('groupCommit() tells an error to those whose path it is, and goes on', async () => {
  const { syncs, addon } = manualDisk(['b'])
  const sync = groupCommit(addon)
  const [good, bad] = [sync('folder', ['a']), sync('folder', ['b'])]
  await turn()
  syncs[0]?.end()
  await good
  await expect(bad).rejects.toThrow('EIO')
  const next = sync('folder', ['c'])
  await turn()
  syncs[1]?.end()
  await next
})

test('groupCommit() waits for no other folder, and forgets one that nobody waits for', async () => {
  const { syncs, addon } = manualDisk()
  const sync = groupCommit(addon)
  const hanging = sync('hung', ['a'])
  const other = sync('folder', ['b'])
  await turn()
  syncs[1]?.end()
  await other
  const again = sync('hung', ['c'])
  await turn()
  expect(syncs).toHaveLength(2)
  syncs[0]?.end()
  await hanging
  await turn()
  syncs[2]?.end()
  await again
})
