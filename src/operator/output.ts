/** What sriovctl prints. */
import Table from 'cli-table3'

/** Where text goes, and what that place understands. */
export interface Output {
  write(text: string): void
  /** Whether a person reads it: colours and symbols are for terminals only. */
  readonly isTerminal: boolean
}

const ESCAPE = '\u001b['
const COLORS = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 } as const
export type Color = keyof typeof COLORS

export const colored = ({ isTerminal }: Output, color: Color, text: string): string =>
  isTerminal ? `${ESCAPE}${COLORS[color]}m${text}${ESCAPE}0m` : text

/**
 * Control characters, those that turn the direction of a line (Unicode bidirectional controls), and those that stand for a
 * byte of a name (netlink/name-bytes.ts).
 */
const UNPRINTABLE = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\uf780-\uf7ff]/gu

/**
 * A text of somebody else, made fit for a terminal: names and messages come from configurations, and an escape sequence
 * in one of them would rewrite the screen of whoever reads it.
 */
export const printable = (text: string): string =>
  text.replace(UNPRINTABLE, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)

const printableLines = (text: string): string => text.split('\n').map(printable).join('\n')

/** No lines between the cells, two spaces between the columns. */
const PLAIN = Object.fromEntries(
  [
    ...['top', 'bottom', 'mid'].flatMap((row) => [row, `${row}-mid`, `${row}-left`, `${row}-right`]),
    'left',
    'left-mid',
    'mid-mid',
    'right',
    'right-mid',
  ].map((part) => [part, '']),
)

/** A table of texts: one line for the heads, one for each row. Ends with a newline. */
export function table(heads: readonly string[], rows: readonly (readonly string[])[]): string {
  const made = new Table({
    head: [...heads],
    chars: { ...PLAIN, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
  })
  for (const row of rows) {
    made.push(row.map(printable))
  }
  const lines = made.toString().split('\n')
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`
}

/** A JSON text for terminals, too: JSON.stringify() leaves C1 control characters and those for direction as they are. */
export const asJson = (document: unknown): string => `${printableLines(JSON.stringify(document, undefined, 2))}\n`

/** `1 VF`, `3 VFs`. */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
