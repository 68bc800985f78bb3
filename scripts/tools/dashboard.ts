/**
 * Draws the dashboard for the docs, from its JSON and recorded values.
 * Usage: dashboard DASHBOARD SAMPLE > docs/dashboard.svg
 */
import { readFileSync } from 'node:fs'
import type { Dashboard, Sample } from './dashboard/dashboard.js'
import { draw } from './dashboard/draw.js'

const [, , dashboard = '', sample = ''] = process.argv
const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'))
process.stdout.write(draw(read(dashboard) as Dashboard, read(sample) as Sample))
