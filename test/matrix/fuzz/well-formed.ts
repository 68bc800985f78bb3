import type { Answer } from '../../fakes/call.js'

const MAX_MESSAGE = 20_000

/** What is wrong with an answer by the process contract; undefined when nothing. */
export function malformation({ exitCode, stdout }: Pick<Answer, 'exitCode' | 'stdout'>): string | undefined {
  if (exitCode !== 0 && exitCode !== 1) {
    return `exit code ${exitCode}`
  }
  let document: { readonly code?: unknown; readonly msg?: unknown } | undefined
  try {
    document = stdout === '' ? undefined : JSON.parse(stdout)
  } catch {
    return `stdout is not one JSON document: ${stdout.slice(0, 300)}`
  }
  if (exitCode === 0) {
    return document !== undefined && 'code' in document ? `an error with exit code 0: ${stdout}` : undefined
  }
  const { code, msg } = document ?? {}
  if (typeof code !== 'number' || !Number.isInteger(code) || code < 1) {
    return `the code is ${code}`
  }
  if (typeof msg !== 'string' || msg === '') {
    return `the message is ${JSON.stringify(msg)}`
  }
  return msg.length > MAX_MESSAGE ? `a message of ${msg.length} characters: ${msg.slice(0, 300)}` : undefined
}

/** @throws Error when an answer is not what the process contract allows */
export function requireWellFormed(answer: Pick<Answer, 'exitCode' | 'stdout'>): void {
  const problem = malformation(answer)
  if (problem !== undefined) {
    throw new Error(`a malformed answer: ${problem}`)
  }
}
