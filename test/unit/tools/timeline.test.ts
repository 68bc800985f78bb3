import { expect, test } from 'vitest'
import type { Timeline } from '../../../scripts/tools/bench/machine/timeline.js'
import { idleMs, movesOf, plotTimeline } from '../../../scripts/tools/bench/timeline-plot.js'

const move = (pod: number, beginMs: number, endMs: number) => ({ kind: 'move', pod, beginMs, endMs }) as const

const timeline: Timeline = {
  pods: 3,
  elapsedMs: 60,
  spans: [move(0, 4, 20), move(2, 6, 36), move(1, 40, 56), { kind: 'program', pod: 0, beginMs: 5, endMs: 9 }],
}

test('a move that waits works only after the one before it', () => {
  expect(movesOf(timeline).map(({ pod, workMs, endMs }) => [pod, workMs, endMs])).toEqual([
    [0, 4, 20],
    [2, 20, 36],
    [1, 40, 56],
  ])
})

test('idleMs() counts what is between two moves of which the second was not asked for yet', () => {
  expect(idleMs(timeline)).toBe(4)
})

test('the plot has a row for each pod and no other text than its own', () => {
  const svg = plotTimeline(timeline)
  expect(svg.match(/>pod \d+</g)).toEqual(['>pod 1<', '>pod 3<', '>pod 2<'])
  expect(svg).not.toMatch(/NaN|undefined/)
})
