/**
 * Prints the benchmark's figures and writes its plots.
 * Usage: bench-report GUEST-JSON INSTRUCTIONS-JSON MACHINE-JSON OUT-JSON PLOT-SVG TIMELINE-SVG
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import Table from 'cli-table3'
import { goalsOf, type Report, type Row, rowsOf } from './goals.js'
import type { Instructions } from './instructions.js'
import type { Figures } from './measure.js'
import type { MachineReport } from './on-machine.js'
import { plot } from './plot.js'
import { median, percentile } from './statistics.js'
import { idleMs, plotTimeline } from './timeline-plot.js'

const say = (line: string) => process.stdout.write(`${line}\n`)
const style = { head: [], border: [], compact: true }

const digits = (ms: number): string => ms.toFixed(ms < 10 ? 2 : 0)

function printRows(title: string, rows: readonly Row[]): void {
  const table = new Table({ head: [title, 'ADD ms', 'DEL ms'], style })
  for (const { name, addMs, delMs } of rows) {
    table.push([name, digits(addMs), delMs === undefined ? '' : digits(delMs)])
  }
  say(table.toString())
}

function printStarts(title: string, figures: readonly Figures[]): void {
  const table = new Table({ head: [title, 'ms'], style })
  for (const { name, addMs } of figures) {
    table.push([name, digits(median(addMs))])
  }
  say(table.toString())
}

function printSpread(figures: readonly Figures[]): void {
  const table = new Table({ head: ['machine, many single calls', 'ADD p50', 'p99', 'DEL p50', 'p99'], style })
  for (const { name, addMs, delMs } of figures) {
    table.push([name, ...[addMs, delMs].flatMap((all) => [digits(median(all)), digits(percentile(all, 99))])])
  }
  say(table.toString())
}

function printInstructions(all: readonly Instructions[]): void {
  const table = new Table({ head: ['lab, millions of instructions', 'ADD', 'DEL'], style })
  for (const { name, add, del } of all) {
    table.push([name, add.toFixed(1), del.toFixed(1)])
  }
  say(table.toString())
}

function printMachine({
  starts,
  firstMessage,
  oneByOne,
  atOnce,
  storm,
  spread,
  cpu,
  timeline,
  ...memory
}: MachineReport) {
  printStarts('machine, starts', [...starts, ...firstMessage.slice(1)])
  printRows('machine, one by one', rowsOf(oneByOne))
  for (const { pods, figures } of atOnce) {
    printRows(`machine, ${pods} at once`, rowsOf(figures))
  }
  printRows('machine, 128 pods for 64 VFs', rowsOf(storm))
  printSpread(spread)
  say(`processor seconds: ${cpu.map(({ name, seconds }) => `${name} ${seconds.toFixed(2)}`).join(', ')}`)
  say(
    `${timeline.pods} at once: RTNL was without a move for ${idleMs(timeline).toFixed(1)} of ${Math.round(timeline.elapsedMs)} ms`,
  )
  if (memory.residentMegabytes.length > 0) {
    const megabytes = memory.residentMegabytes.map((one) => one.toFixed(0)).join(' ')
    say(`resident process, MB over ${memory.calls} ADD and DEL: ${megabytes}`)
  }
}

function printGoals(report: Report): void {
  const table = new Table({ head: ['medians of pairs', 'is', 'at most', ''], style })
  for (const { what, is, atMost } of goalsOf(report)) {
    table.push([what, is.toFixed(2), atMost.toFixed(2), is <= atMost ? 'reached' : 'missed'])
  }
  say(table.toString())
}

const read = <T>(file: string): T | undefined =>
  existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as T) : undefined

const [guestFile = '', instructionsFile = '', machineFile = '', outFile = '', plotFile = '', timelineFile = ''] =
  process.argv.slice(2)
const [guest, machine] = [read<Report['guest']>(guestFile), read<Report['machine']>(machineFile)]
const instructions = read<readonly Instructions[]>(instructionsFile)
const report: Report = { ...(guest && { guest }), ...(machine && { machine }) }
if (guest) {
  const rows = rowsOf(guest.oneByOne)
  printRows('lab, one by one', rows)
  for (const { pods, figures } of guest.atOnce) {
    printRows(`lab, ${pods} at once`, rowsOf(figures))
  }
  const { requests, vfDumps, moves } = guest.trace
  say(`netlink trace of one ADD with VLAN and MAC: ${requests} requests, ${vfDumps} VF dump, ${moves} namespace move`)
  writeFileSync(plotFile, plot('One ADD and one DEL in the emulated host, milliseconds', rows))
}
if (instructions) {
  printInstructions(instructions)
}
if (machine) {
  printMachine(machine)
  writeFileSync(timelineFile, plotTimeline(machine.timeline))
}
printGoals(report)
writeFileSync(
  outFile,
  JSON.stringify({ ...report, ...(instructions && { instructions }), goals: goalsOf(report) }, null, 2),
)
