import { fstatSync } from 'node:fs'
import { isatty } from 'node:tty'
import { writeAll } from './streams.js'

const STDOUT = 1

/** node:tty is long to load, and what is no character device is no terminal. */
function isTerminal(fd: number): boolean {
  try {
    return fstatSync(fd).isCharacterDevice() && isatty(fd)
  } catch {
    return false
  }
}

/** Stdout for a program that a person starts; colours are unwanted where NO_COLOR is set (no-color.org). */
export const processOutput = {
  write: (text: string) => writeAll(STDOUT, text),
  isTerminal: isTerminal(STDOUT) && (process.env.NO_COLOR ?? '') === '',
}
