/** Prints the benchmark's figures and writes its plot. Usage: bench-report GUEST-JSON MACHINE-JSON OUT-JSON PLOT-SVG */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import Table from 'cli-table3'
import { goalsOf, type Report, type Row, rowsOf } from './goals.js'
import type { Figures } from './measure.js'
import { plot } from './plot.js'
import { median } from './statistics.js'

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

function printStarts(figures: readonly Figures[]): void {
  const table = new Table({ head: ['machine, medians', 'ms'], style })
  for (const { name, addMs } of figures) {
    table.push([name, digits(median(addMs))])
  }
  say(table.toString())
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

const [guestFile = '', machineFile = '', outFile = '', plotFile = ''] = process.argv.slice(2)
const [guest, machine] = [read<Report['guest']>(guestFile), read<Report['machine']>(machineFile)]
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
if (machine) {
  printStarts(machine.starts)
  const { residentMegabytes: megabytes, calls } = machine
  if (megabytes.length > 0) {
    say(`resident process, MB over ${calls} ADD and DEL: ${megabytes.map((one) => one.toFixed(0)).join(' ')}`)
  }
}
printGoals(report)
writeFileSync(outFile, JSON.stringify({ ...report, goals: goalsOf(report) }, null, 2))
