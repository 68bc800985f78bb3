import type { Dashboard, Panel, Sample } from './dashboard.js'

const COLUMN = 42
const ROW = 34
const GAP = 8
const TOP = 40
const HEAD = 24
const LEGEND_ROW = 15
const COLOURS = ['#2f6fb0', '#e07b39', '#3a9a5b', '#b0413e', '#7d5ba6', '#c9a227', '#3aa6a6', '#8c6d5a', '#999']

type Series = readonly (readonly [string, readonly (number | null)[]])[]

interface Box {
  readonly x: number
  readonly y: number
  readonly w: number
  readonly h: number
}

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
const colourOf = (i: number): string => COLOURS[i % COLOURS.length] ?? '#999'
const text = (x: number, y: number, words: string, more = ''): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${more}>${escaped(words)}</text>`

/** The names of Grafana's units, as it shows them. */
const UNITS: Readonly<Record<string, string>> = { s: ' s', bps: ' b/s', pps: ' p/s', cps: ' c/s', short: '' }
const PREFIXES = [
  [1e9, 'G'],
  [1e6, 'M'],
  [1e3, 'k'],
] as const

function shown(value: number, unit: string): string {
  if (unit === 's') {
    return value > 0 && value < 1 ? `${Math.round(value * 1000)} ms` : `${Number(value.toFixed(2))} s`
  }
  const [size, prefix] = PREFIXES.find(([least]) => value >= least) ?? [1, '']
  return `${Number((value / size).toFixed(value < 1 ? 2 : 1))}${UNITS[unit] ? UNITS[unit].replace(' ', ` ${prefix}`) : prefix}`
}

/** A series and what it stands upon. */
interface Layer {
  readonly values: readonly (number | null)[]
  readonly below: readonly number[]
}

function layersOf(series: Series, isStacked: boolean): readonly Layer[] {
  let below: readonly number[] = []
  return series.map(([, values]) => {
    const layer = { values: isStacked ? values.map((value, i) => (value ?? 0) + (below[i] ?? 0)) : values, below }
    below = layer.values.map((value) => value ?? 0)
    return layer
  })
}

function drawLines(panel: Panel, series: Series, { x, y, w, h }: Box): string {
  const { unit, custom } = panel.fieldConfig.defaults
  const isStacked = custom?.stacking !== undefined
  const layers = layersOf(series, isStacked)
  const highest = Math.max(...layers.flatMap(({ values }) => values.map((value) => value ?? 0)), 1e-9) * 1.1
  const left = x + 58
  const width = w - 70
  const count = Math.max(1, ...layers.map(({ values }) => values.length - 1))
  const point = (value: number, i: number) =>
    `${(left + (i * width) / count).toFixed(1)} ${(y + h - (value / highest) * h).toFixed(1)}`
  const grid = [0, 0.5, 1].map((part) => {
    const level = y + h - part * h
    return `<path d="M${left} ${level.toFixed(1)}h${width}" stroke="#e3e6ea"/>${text(left - 6, level + 4, shown(part * highest, unit), ' text-anchor="end" class="small"')}`
  })
  const drawn = layers.map(({ values, below }, i) => {
    // A line is broken where there is no value.
    const line = values.map((value, index) =>
      value === null ? '' : `${(values[index - 1] ?? null) === null ? 'M' : 'L'}${point(value, index)}`,
    )
    const area = [
      ...values.map((value, index) => point(value ?? 0, index)),
      ...values.map((_, index) => point(below[index] ?? 0, index)).reverse(),
    ]
    const filled = `<path d="M${area.join('L')}Z" fill="${colourOf(i)}" fill-opacity="0.35"/>`
    return `${isStacked ? filled : ''}<path d="${line.join('')}" fill="none" stroke="${colourOf(i)}" stroke-width="1.5"/>`
  })
  return [...grid, ...drawn].join('\n')
}

/** One entry after the other, in as many rows as they need. */
function drawLegend(series: Series, { x, w }: Box, bottom: number): { readonly svg: string; readonly rows: number } {
  const place = { at: x, row: 0 }
  const placed = series.map(([name]) => {
    const length = 28 + name.length * 6.2
    if (place.at > x && place.at + length > x + w) {
      Object.assign(place, { at: x, row: place.row + 1 })
    }
    const entry = { name, at: place.at, row: place.row }
    place.at += length
    return entry
  })
  const rows = place.row + 1
  const svg = placed.map(({ name, at, row }, i) => {
    const y = bottom - (rows - row - 1) * LEGEND_ROW
    return `<rect x="${at.toFixed(1)}" y="${y - 7}" width="10" height="4" fill="${colourOf(i)}"/>${text(at + 14, y, name, ' class="small"')}`
  })
  return { svg: svg.join('\n'), rows }
}

function drawNumbers(panel: Panel, series: Series, { x, y, w, h }: Box): string {
  return series
    .map(([name, values], i) => {
      const middle = x + ((i + 0.5) * w) / series.length
      const last = values.at(-1)
      const number = last === null || last === undefined ? '–' : shown(last, panel.fieldConfig.defaults.unit)
      return `${text(middle, y + h / 2 + 6, number, ' text-anchor="middle" class="number"')}${text(middle, y + h - 6, name, ' text-anchor="middle" class="small"')}`
    })
    .join('\n')
}

function drawPanel(panel: Panel, sample: Sample): string {
  const { gridPos } = panel
  const box = {
    x: gridPos.x * COLUMN + GAP / 2,
    y: TOP + gridPos.y * ROW + GAP / 2,
    w: gridPos.w * COLUMN - GAP,
    h: gridPos.h * ROW - GAP,
  }
  const series = Object.entries(sample.panels[panel.title] ?? {})
  const inner = { x: box.x + 10, y: box.y + HEAD + 6, w: box.w - 20, h: box.h - HEAD - 14 }
  const frame = `<rect x="${box.x}" y="${box.y}" width="${box.w}" height="${box.h}" rx="3" fill="#fff" stroke="#d5d9de"/>${text(box.x + 10, box.y + 17, panel.title, ' font-weight="bold"')}`
  if (series.length === 0) {
    const [middle, centre] = [box.x + box.w / 2, box.y + box.h / 2 + 8]
    return `${frame}\n${text(middle, centre, 'no data', ' text-anchor="middle" class="small"')}`
  }
  if (panel.type === 'stat') {
    return `${frame}\n${drawNumbers(panel, series, inner)}`
  }
  const legend = drawLegend(series, inner, box.y + box.h - 8)
  const h = inner.h - legend.rows * LEGEND_ROW - 2
  return `${frame}\n${drawLines(panel, series, { ...inner, h })}\n${legend.svg}`
}

/** Draws what Grafana would show of a dashboard: each panel at its place, with the values of a sample, as an SVG. */
export function draw(dashboard: Dashboard, sample: Sample): string {
  const { title, panels } = dashboard
  const count = Math.max(
    ...Object.values(sample.panels).flatMap((series) => Object.values(series).map(({ length }) => length)),
  )
  const minutes = Math.round((count * sample.stepSeconds) / 60)
  const height = TOP + Math.max(...panels.map(({ gridPos: { y, h } }) => y + h)) * ROW + GAP
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${24 * COLUMN} ${height}" font-family="sans-serif" font-size="13" role="img" aria-label="${escaped(title)}">`,
    '<style>text { fill: #223; } .small { font-size: 11px; fill: #556; } .number { font-size: 30px; }</style>',
    `<rect width="${24 * COLUMN}" height="${height}" fill="#f4f5f7"/>`,
    text(12, 26, title, ' font-size="17" font-weight="bold"'),
    text(24 * COLUMN - 12, 26, `${minutes} minutes`, ' text-anchor="end" class="small"'),
    ...panels.map((panel) => drawPanel(panel, sample)),
    '</svg>',
    '',
  ].join('\n')
}
