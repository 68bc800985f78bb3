/**
 * Adds up the JSON reports of the test tiers and prints one summary.
 * Usage: summary NAME=REPORT... [failed=CHECK...]; exit status 1 when something failed or a report is missing.
 */
import { existsSync, readFileSync } from 'node:fs'

interface Assertion {
  readonly status: string
  readonly fullName: string
  readonly failureMessages?: readonly string[]
  /** What the test tried in numbers: see test/counts.ts. */
  readonly meta?: { readonly counts?: Readonly<Record<string, number>> }
}

interface Report {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly Assertion[]
  }[]
}

/** Enough of a message to see which line of which test said what. */
const LINES_OF_MESSAGE = 30
const COLUMNS = 400

const say = (line: string) => process.stdout.write(`${line}\n`)

/** Why a test failed: whoever has only the end of the output must not have to guess. */
function sayWhy(messages: readonly string[]): void {
  for (const line of messages.join('\n').split('\n').slice(0, LINES_OF_MESSAGE)) {
    say(`    ${line.slice(0, COLUMNS)}`)
  }
}

const pairs = process.argv.slice(2).map((word) => {
  const equals = word.indexOf('=')
  return { key: word.slice(0, equals), value: word.slice(equals + 1) }
})
const failedChecks = pairs.filter(({ key }) => key === 'failed').map(({ value }) => value)
const total = { passed: 0, failed: 0, skipped: 0 }
const missing: string[] = []
/** Tiers with a failed test. */
const withFailures = new Set<string>()
/** What was tried, and how much of it in tests that passed. */
const tried = new Map<string, { found: number; passed: number }>()

function addCounts({ status, meta }: Assertion): void {
  for (const [what, times] of Object.entries(meta?.counts ?? {})) {
    const { found, passed } = tried.get(what) ?? { found: 0, passed: 0 }
    tried.set(what, { found: found + times, passed: passed + (status === 'passed' ? times : 0) })
  }
}

for (const { key: tier, value: path } of pairs.filter(({ key }) => key !== 'failed')) {
  if (!existsSync(path)) {
    missing.push(tier)
    say(`${tier}: no report; the tier did not run to its end`)
    continue
  }
  const { testResults } = JSON.parse(readFileSync(path, 'utf8')) as Report
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
  tests.forEach(addCounts)
  const broken = testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  )
  const failed = tests.filter(({ status }) => status === 'failed')
  const skipped = tests.filter(({ status }) => status !== 'failed' && status !== 'passed')
  const passed = tests.length - failed.length - skipped.length
  if (failed.length + broken.length > 0) {
    withFailures.add(tier)
  }
  total.passed += passed
  total.failed += failed.length + broken.length
  total.skipped += skipped.length
  say(
    `${tier}: ${testResults.length} files, ${passed} passed, ${failed.length + broken.length} failed, ${skipped.length} skipped`,
  )
  for (const { fullName, failureMessages = [] } of failed) {
    say(`  failed: ${fullName}`)
    sayWhy(failureMessages)
  }
  for (const { name, message = '' } of broken) {
    say(`  failed to run: ${name}`)
    sayWhy([message])
  }
  for (const { fullName } of skipped) {
    say(`  skipped: ${fullName}`)
  }
}
/** Steps that failed without a failed test, as vitest does for an error that no test waits for. */
const failedAlone = failedChecks.filter((check) => !withFailures.has(check) && !missing.includes(check))
for (const check of failedChecks) {
  say(
    `failed step: ${check}${failedAlone.includes(check) ? ' (no test of it failed; the cause is in its output)' : ''}`,
  )
}
const stepFailures = missing.length + failedAlone.length
say('')
for (const [what, { found, passed }] of tried) {
  say(`${what}: ${found} tried, ${passed} passed`)
}
say(`Tests: ${total.passed} passed, ${total.failed + stepFailures} failed, ${total.skipped} skipped`)
process.exitCode = total.failed + stepFailures + failedChecks.length === 0 ? 0 : 1
