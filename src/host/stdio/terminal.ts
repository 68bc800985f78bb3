/** Apart from streams.ts: node:tty loads much that a call of the plugin does not need. */
import { isatty } from 'node:tty'
import { writeAll } from './streams.js'

const STDOUT = 1

/** Stdout for a program that a person starts; colours are unwanted where NO_COLOR is set (no-color.org). */
export const processOutput = {
  write: (text: string) => writeAll(STDOUT, text),
  isTerminal: isatty(STDOUT) && (process.env.NO_COLOR ?? '') === '',
}
