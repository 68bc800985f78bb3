import { expect, test } from 'vitest'
import { slots } from '../../../src/host/slots.js'

/** Work that ends when told, and says when it has begun. */
function manual(log: string[], name: string) {
  let [resolve, reject]: [() => void, (error: Error) => void] = [() => undefined, () => undefined]
  const promise = new Promise<void>((...both) => {
    ;[resolve, reject] = both
  })
  return {
    work: () => {
      log.push(name)
      return promise
    },
    end: () => resolve(),
    fail: () => reject(new Error(name)),
  }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

test('slots() lets so many run at once, and the others in their order', async () => {
  const log: string[] = []
  const some = ['a', 'b', 'c', 'd'].map((name) => manual(log, name))
  const two = slots(2)
  const all = some.map(({ work }) => two.run(work))
  await turn()
  expect(log).toEqual(['a', 'b'])
  some[1]?.end()
  await turn()
  expect(log).toEqual(['a', 'b', 'c'])
  for (const { end } of some) {
    end()
  }
  await Promise.all(all)
  expect(log).toEqual(['a', 'b', 'c', 'd'])
  expect(two.isIdle()).toBe(true)
})

test('slots() gives the slot of work that fails to the next', async () => {
  const log: string[] = []
  const [first, second] = [manual(log, 'a'), manual(log, 'b')]
  const one = slots(1)
  const failing = one.run(first.work)
  const next = one.run(second.work)
  first.fail()
  await expect(failing).rejects.toThrow('a')
  await turn()
  expect(log).toEqual(['a', 'b'])
  second.end()
  await next
})

test('passed() waits until what waits has begun, not until it has ended', async () => {
  const log: string[] = []
  const [first, second] = [manual(log, 'a'), manual(log, 'b')]
  const one = slots(1)
  await one.passed()
  const all = [one.run(first.work), one.run(second.work)]
  const passed = one.passed().then(() => log.push('passed'))
  await turn()
  expect(log).toEqual(['a'])
  first.end()
  await passed
  expect(log).toEqual(['a', 'b', 'passed'])
  second.end()
  await Promise.all(all)
})
