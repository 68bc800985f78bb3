import { describe, expect, test } from 'vitest'
import { distrustOf } from '../../../src/node/trust.js'
import { isWithin, plainPath } from '../../../src/policy/paths.js'
import { hostOf } from '../../fakes/call.js'
import { FakeWorld } from '../../fakes/machine/world.js'

type Owner = { readonly uid?: number; readonly mode?: number }

function worldWith(owners: Readonly<Record<string, Owner>>, links: Readonly<Record<string, string>> = {}): FakeWorld {
  const world = new FakeWorld()
  world.files.set('/a/b/file', '')
  world.files.set('/tmp/own/file', '')
  world.owners.set('/tmp', { mode: 0o1777 })
  for (const [path, owner] of Object.entries(owners)) {
    world.owners.set(path, owner)
  }
  for (const [path, target] of Object.entries(links)) {
    world.symlinks.set(path, target)
  }
  return world
}

const why = (path: string, owners: Readonly<Record<string, Owner>> = {}, links?: Readonly<Record<string, string>>) =>
  distrustOf(hostOf(worldWith(owners, links)).files, path)

describe('distrustOf()', () => {
  test.each([
    ['a file of root', '/a/b/file', {}],
    ['a file that is not there yet', '/a/b/new/file', {}],
    ['a folder of root in a folder that all share', '/tmp/own/file', {}],
  ])('trusts %s', (_what, path, owners) => {
    expect(why(path, owners)).toBeUndefined()
  })

  test.each<[string, string, Readonly<Record<string, Owner>>, string]>([
    ['a file of another', '/a/b/file', { '/a/b/file': { uid: 7 } }, '/a/b/file belongs to user 7'],
    ['a folder of another on the way', '/a/b/file', { '/a': { uid: 7 } }, '/a belongs to user 7'],
    ['a file that a group can write', '/a/b/file', { '/a/b/file': { mode: 0o660 } }, 'can write to /a/b/file'],
    ['a folder that all can write', '/a/b/file', { '/a/b': { mode: 0o777 } }, 'can write to /a/b'],
    ['a folder that all share', '/tmp', {}, 'can write to /tmp'],
    ['a file that is not there yet where all can make it', '/tmp/new', {}, 'others than root can make /tmp/new'],
    ['what is below that', '/tmp/new/file', {}, 'others than root can make /tmp/new'],
  ])('does not trust %s', (_what, path, owners, text) => {
    expect(why(path, owners)).toContain(text)
  })

  test('follows links, and looks at everything on the way', () => {
    expect(why('/link/file', {}, { '/link': '/a/b' })).toBeUndefined()
    expect(why('/a/link', {}, { '/a/link': 'b/file' })).toBeUndefined()
    expect(why('/a/b/up', {}, { '/a/b/up': '../../tmp/own' })).toBeUndefined()
    expect(why('/link/file', { '/a': { mode: 0o777 } }, { '/link': '/a/b' })).toContain('can write to /a')
    expect(why('/link', { '/link': { uid: 7 } }, { '/link': '/a/b' })).toContain('/link belongs to user 7')
    expect(why('/link', {}, { '/link': '/tmp/x' })).toContain('can make /tmp/x')
    expect(why('/one', {}, { '/one': '/two', '/two': '/one' })).toContain('too many symbolic links')
  })

  test('lets a group write where system groups may', () => {
    const files = hostOf(worldWith({ '/a/b': { mode: 0o775 } })).files
    expect(distrustOf(files, '/a/b/file', { writers: 'system groups' })).toBeUndefined()
    expect(distrustOf(files, '/a/b/file')).toBeDefined()
  })
})

test('plainPath() takes absolute paths without detours', () => {
  expect(['/a', '/a/b/', '/a b'].map(plainPath)).toEqual(['/a', '/a/b', '/a b'])
  for (const wrong of ['', '/', 'a', './a', '/a/../b', '/a//b', '/a/.', '/a\0b', '/a\nb', 5, undefined]) {
    expect(plainPath(wrong)).toBeUndefined()
  }
})

test('isWithin() compares whole names', () => {
  expect(isWithin('/a/b', ['/x', '/a'])).toBe(true)
  expect(isWithin('/a', ['/a'])).toBe(true)
  expect(isWithin('/ab', ['/a'])).toBe(false)
})
