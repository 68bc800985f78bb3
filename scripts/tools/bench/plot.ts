import type { Row } from './goals.js'

const WIDTH = 820
const LEFT = 230
const ROW_HEIGHT = 34
const TOP = 56
const BAR_HEIGHT = 13
const LABEL_WIDTH = 60

const COLOURS = { ADD: '#2f6fb0', DEL: '#9dbfe0' } as const

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')

/** Bars of ADD and DEL for each case, as an SVG. */
export function plot(title: string, rows: readonly Row[]): string {
  const longest = Math.max(...rows.flatMap(({ addMs, delMs = 0 }) => [addMs, delMs]))
  const scale = (WIDTH - LEFT - LABEL_WIDTH) / longest
  const bar = (ms: number, y: number, colour: string) =>
    `<rect x="${LEFT}" y="${y}" width="${(ms * scale).toFixed(1)}" height="${BAR_HEIGHT}" fill="${colour}"/>` +
    `<text x="${(LEFT + ms * scale + 6).toFixed(1)}" y="${y + 11}" class="figure">${ms.toFixed(ms < 10 ? 1 : 0)}</text>`
  const lines = rows.map(({ name, addMs, delMs }, i) => {
    const y = TOP + i * ROW_HEIGHT
    return [
      `<text x="${LEFT - 10}" y="${y + 17}" text-anchor="end">${escaped(name)}</text>`,
      bar(addMs, y, COLOURS.ADD),
      delMs === undefined ? '' : bar(delMs, y + BAR_HEIGHT + 1, COLOURS.DEL),
    ].join('')
  })
  const height = TOP + rows.length * ROW_HEIGHT + 10
  const key = (name: keyof typeof COLOURS, x: number) =>
    `<rect x="${x}" y="32" width="13" height="13" fill="${COLOURS[name]}"/><text x="${x + 19}" y="43">${name}</text>`
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="sans-serif" font-size="13" role="img" aria-label="${escaped(title)}">`,
    '<style>text { fill: #223; } .figure { font-size: 11px; fill: #445; }</style>',
    `<rect width="${WIDTH}" height="${height}" fill="#fff"/>`,
    `<text x="10" y="20" font-weight="bold">${escaped(title)}</text>`,
    key('ADD', LEFT),
    key('DEL', LEFT + 80),
    ...lines,
    '</svg>',
    '',
  ].join('\n')
}
