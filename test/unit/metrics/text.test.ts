import { expect, test } from 'vitest'
import { parseListen } from '../../../src/host/sockets/listen.js'
import { metricsText } from '../../../src/metrics/text.js'

test('the text format: help, type, escaped labels; nothing for a metric without samples', () => {
  expect(
    metricsText([
      { name: 'a_total', type: 'counter', help: 'What a is.', samples: [{ labels: {}, value: 3 }] },
      { name: 'b', type: 'gauge', help: 'B.', samples: [] },
      {
        name: 'c',
        type: 'histogram',
        help: 'C.',
        samples: [
          { suffix: '_bucket', labels: { verb: 'ADD', le: '+Inf' }, value: 2 },
          { labels: { pod: 'a"b\\c\nd' }, value: 0.5 },
        ],
      },
    ]),
  ).toBe(
    [
      '# HELP a_total What a is.',
      '# TYPE a_total counter',
      'a_total 3',
      '# HELP c C.',
      '# TYPE c histogram',
      'c_bucket{verb="ADD",le="+Inf"} 2',
      'c{pod="a\\"b\\\\c\\nd"} 0.5',
      '',
    ].join('\n'),
  )
})

test.each([
  ['127.0.0.1:9808', { host: '127.0.0.1', port: 9808 }],
  ['[::1]:9808', { host: '::1', port: 9808 }],
  ['/run/sriov-cni/metrics.sock', { path: '/run/sriov-cni/metrics.sock' }],
  ['9808', undefined],
  [':9808', undefined],
  ['localhost:9808', undefined],
  ['127.0.0.1:0', undefined],
  ['127.0.0.1:99999', undefined],
])('%s is where to listen: %j', (text, listen) => {
  expect(parseListen(text)).toEqual(listen)
})
