import type { Timeline } from './machine/timeline.js'

const WIDTH = 1000
const LEFT = 90
const TOP = 84
const ROW_HEIGHT = 14
const BAR_HEIGHT = 9
const GAP = 12
const AXIS_STEPS = 10

const COLOURS = { wait: '#cfdcec', move: '#2f6fb0', program: '#d9893d', sync: '#6a9f58', change: '#8a5fa8' } as const

const LEGEND = [
  ['move', 'the kernel moves the interface'],
  ['wait', 'the move waits (RTNL)'],
  ['program', 'host-local runs'],
  ['sync', 'a sync of the state folder'],
  ['change', 'addresses are set'],
] as const

interface Interval {
  readonly beginMs: number
  readonly endMs: number
}

/** The move of a pod: since when the kernel has the request, and since when it works on it. */
interface Move extends Interval {
  readonly workMs: number
  readonly pod: number
}

/** The kernel carries out one move after the other, so each begins when the one before has ended. */
export function movesOf({ spans }: Timeline): Move[] {
  let busyUntil = 0
  return spans
    .flatMap(({ kind, beginMs, endMs, pod }) => (kind === 'move' && pod !== undefined ? [{ beginMs, endMs, pod }] : []))
    .sort((a, b) => a.endMs - b.endMs)
    .map((move) => {
      const workMs = Math.max(move.beginMs, busyUntil)
      busyUntil = move.endMs
      return { ...move, workMs }
    })
}

/** How long the kernel had no move to carry out, between the first one and the last. Milliseconds. */
export const idleMs = (timeline: Timeline): number =>
  movesOf(timeline).reduce(
    ({ idle, until }, { workMs, endMs }) => ({ idle: idle + (until === undefined ? 0 : workMs - until), until: endMs }),
    { idle: 0, until: undefined as number | undefined },
  ).idle

/** What was waited for while many pods started at once, as an SVG: a row for each pod, in the order of their moves. */
export function plotTimeline(timeline: Timeline): string {
  const { spans, elapsedMs, pods } = timeline
  const scale = (WIDTH - LEFT - 20) / elapsedMs
  const x = (ms: number) => (LEFT + ms * scale).toFixed(1)
  const bar = ({ beginMs, endMs }: Interval, y: number, colour: string) =>
    `<rect x="${x(beginMs)}" y="${y}" width="${Math.max(0.6, (endMs - beginMs) * scale).toFixed(1)}" height="${BAR_HEIGHT}" fill="${colour}"/>`
  const label = (text: string, y: number) =>
    `<text x="${LEFT - 8}" y="${y + BAR_HEIGHT}" text-anchor="end">${text}</text>`
  const moves = movesOf(timeline)
  const rtnl = moves.map(({ workMs, endMs }) => bar({ beginMs: workMs, endMs }, TOP, COLOURS.move))
  const rows = moves.flatMap((move, i) => {
    const y = TOP + ROW_HEIGHT + GAP + i * ROW_HEIGHT
    const own = (kind: 'program' | 'change') =>
      spans.filter((span) => span.kind === kind && span.pod === move.pod).map((span) => bar(span, y, COLOURS[kind]))
    return [
      label(`pod ${move.pod + 1}`, y),
      bar({ beginMs: move.beginMs, endMs: move.workMs }, y, COLOURS.wait),
      bar({ beginMs: move.workMs, endMs: move.endMs }, y, COLOURS.move),
      ...own('program'),
      ...own('change'),
    ]
  })
  const bottom = TOP + 2 * (ROW_HEIGHT + GAP) + moves.length * ROW_HEIGHT
  const syncs = spans.filter(({ kind }) => kind === 'sync').map((span) => bar(span, bottom - ROW_HEIGHT, COLOURS.sync))
  const axis = Array.from({ length: AXIS_STEPS + 1 }, (_, i) => {
    const ms = (elapsedMs * i) / AXIS_STEPS
    return `<line x1="${x(ms)}" x2="${x(ms)}" y1="${TOP - 6}" y2="${bottom}" stroke="#e3e6ea"/><text x="${x(ms)}" y="${TOP - 10}" text-anchor="middle">${Math.round(ms)}</text>`
  })
  const legend = LEGEND.map(
    ([name, text], i) =>
      `<rect x="${LEFT + i * 185}" y="36" width="10" height="10" fill="${COLOURS[name]}"/><text x="${LEFT + 14 + i * 185}" y="45">${text}</text>`,
  )
  const title = `${pods} ADDs with host-local at once, ${Math.round(elapsedMs)} ms; RTNL without a move for ${idleMs(timeline).toFixed(1)} ms of it`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + 14}" font-family="sans-serif" font-size="10" role="img" aria-label="${title}">`,
    '<style>text { fill: #334; }</style>',
    `<rect width="${WIDTH}" height="${bottom + 14}" fill="#fff"/>`,
    `<text x="10" y="20" font-size="14" font-weight="bold">${title}</text>`,
    ...legend,
    ...axis,
    label('RTNL', TOP),
    ...rtnl,
    ...rows,
    label('syncs', bottom - ROW_HEIGHT),
    ...syncs,
    '</svg>',
    '',
  ].join('\n')
}
