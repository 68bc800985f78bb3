import { expect, test } from 'vitest'
import { throttled } from '../../../src/daemon/throttle.js'
import { FakeClock } from '../../fakes/machine/clock.js'

test('throttled() writes each sentence once in a while, and says how often it was left out', async () => {
  const clock = new FakeClock()
  const lines: unknown[] = []
  const say = throttled((message, facts) => lines.push([message, facts]), clock)
  for (let i = 0; i < 100; i += 1) {
    say('refused', { peer: i })
  }
  say('failed')
  await clock.sleep(10_000)
  say('refused', { peer: 100 })
  expect(lines).toEqual([
    ['refused', { peer: 0 }],
    ['failed', {}],
    ['refused', { peer: 100, leftOut: 99 }],
  ])
})
