// The guest's output is a pipe; scripts/demo knows whether a terminal is at its other end.
const isColourful = process.env.SRIOV_DEMO_COLOUR === '1'
const paint = (code: number, text: string): string => (isColourful ? `\u001b[${code}m${text}\u001b[0m` : text)

export const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

export const headline = (number: number, text: string): void => say(`\n${paint(1, `${number}. ${text}`)}`)

/** Prints what came of each claim; the exit status is 1 when one does not hold. */
export function verdict(claims: readonly (readonly [string, boolean])[]): void {
  say('')
  for (const [claim, holds] of claims) {
    say(`  ${holds ? paint(32, 'yes') : paint(31, 'NO ')}  ${claim}`)
  }
  process.exitCode = claims.every(([, holds]) => holds) ? 0 : 1
}
