/** Asks the person at the terminal. */
import { createInterface } from 'node:readline'
import { isatty } from 'node:tty'

const STDIN = 0
const YES = /^y(es)?$/i

/** Whether the answer is yes. @throws Error where nobody can answer */
export async function askPerson(question: string): Promise<boolean> {
  if (!isatty(STDIN)) {
    throw new Error(`${question} Nobody can answer here: add --yes`)
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return YES.test(await new Promise<string>((resolve) => lines.question(`${question} [y/N] `, resolve)))
  } finally {
    lines.close()
  }
}
