import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { Dashboard, Sample } from '../../../scripts/tools/dashboard/dashboard.js'
import { draw } from '../../../scripts/tools/dashboard/draw.js'
import { metricsMade } from '../../fakes/metrics-made.js'
import { namesIn, unknownNames } from '../../promql.js'

const read = (path: string): string => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')
const dashboard = JSON.parse(read('deploy/grafana/sriov-node.json')) as Dashboard
const sample = JSON.parse(read('test/fixtures/dashboard-sample.json')) as Sample
const made = await metricsMade()
const targets = dashboard.panels.flatMap(({ title, targets }) => targets.map((target) => ({ title, ...target })))

describe('namesIn()', () => {
  test.each([
    ['up', [['up']], []],
    ['sum by (a, b) (rate(x_total{c="d,e", f!~"g{}"}[5m])) > 0', [['x_total', 'c', 'f']], ['a', 'b']],
    ['sum(x) by (a) / on (b) group_left () y{} offset 5m', [['x'], ['y']], ['a', 'b']],
    ['histogram_quantile(0.9, sum without (i) (rate(h_bucket[$__rate_interval]))) and z', [['h_bucket'], ['z']], ['i']],
  ])('%s', (expr, selected, grouped) => {
    expect(namesIn(expr)).toEqual({ selected: selected.map(([metric, ...labels]) => ({ metric, labels })), grouped })
  })

  test('what nobody makes is told', () => {
    expect(unknownNames('sum by (pod, colour) (sriov_vfs{state="free", vf="1"}) + sriov_vf', made)).toEqual([
      'sriov_vfs has no label vf',
      'there is no metric sriov_vf',
      'no metric of it has the label pod',
      'no metric of it has the label colour',
    ])
  })
})

describe('the dashboard', () => {
  test.each(targets)('$title: $expr asks for what src/metrics makes', ({ expr, legendFormat }) => {
    expect(unknownNames(expr, made)).toEqual([])
    const { selected, grouped } = namesIn(expr)
    const shown = expr.includes(' by (')
      ? grouped
      : selected.flatMap(({ metric }) => [...(made.get(metric) ?? []), 'instance'])
    for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
      expect(shown).toContain(label)
    }
  })

  test.each(targets)('$title: $expr is of the chosen nodes, and counters are asked for their rate', ({ expr }) => {
    for (const { metric, labels } of namesIn(expr).selected) {
      expect(labels).toContain('instance')
      const isCounter = /_(total|bucket|sum|count)$|^sriov_vf_/.test(metric)
      expect(new RegExp(`\\b(rate|increase)\\(${metric}\\{`).test(expr)).toBe(isCounter)
    }
  })

  test('has its data source and its node as variables, and its panels beside one another', () => {
    expect(dashboard.templating.list.map(({ name, type }) => [name, type])).toEqual([
      ['datasource', 'datasource'],
      ['node', 'query'],
    ])
    const places = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    )
    expect(new Set(places).size).toBe(places.length)
    expect(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true)
  })

  test('is drawn in the docs as it is now (CONTRIBUTING.md)', () => {
    const titles = dashboard.panels.map(({ title }) => title)
    expect(Object.keys(sample.panels).every((title) => titles.includes(title))).toBe(true)
    expect(draw(dashboard, sample)).toBe(read('docs/dashboard.svg'))
  })
})
