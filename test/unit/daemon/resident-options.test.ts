import { expect, test } from 'vitest'
import { residentOptions } from '../../../src/resident.js'

test.each([
  [[], {}],
  [
    ['--socket', '/run/x.sock', '--log-level', 'debug', '--log-file', '/var/log/x'],
    { socketPath: '/run/x.sock', logLevel: 'debug', logFile: '/var/log/x' },
  ],
  [['--socket=/run/x.sock'], { socketPath: '/run/x.sock' }],
  [['--help'], undefined],
  [['--socket', 'x'], undefined],
  [['--log-level', 'loud'], undefined],
  [['--what'], undefined],
  [['more'], undefined],
])('%j are %j: what is undefined is for the operator’s command to answer', (words, options) => {
  expect(residentOptions(words)).toEqual(options)
})
