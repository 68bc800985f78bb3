import * as fc from 'fast-check'

const identifier = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('pod-a', 'a', 'a.b_c-d') },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', '-a', '..', '../x', 'a/b', 'a b', 'x'.repeat(250), 'x'.repeat(5000), 'ä', '\0'),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 40, unit: 'binary' }) },
)

const interfaceName = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('net1', 'net2', 'ens1f0v2', 'enp1s0f0v2') },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      'eth0',
      'lo',
      '.',
      '..',
      'a/b',
      'a:b',
      'a b',
      'x'.repeat(16),
      '💥💥💥',
      '💥💥💥💥',
      '%d',
      'net%d',
      '\ufeff',
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 20, unit: 'binary' }) },
)

const argument = fc.oneof(
  fc.constantFrom(
    'IgnoreUnknown=1',
    'MAC=02:00:00:00:00:7b',
    'MAC=',
    'MAC=x',
    'VLAN=7',
    'VLAN=-1',
    'VLAN=99999999999',
    'VF=1',
    'IP=10.0.0.1',
    '=',
    'A',
    '__proto__=1',
    'a=b=c',
    'MAC=ff:ff:ff:ff:ff:ff',
  ),
  fc.string({ maxLength: 20, unit: 'binary' }),
)

const maybe = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string | undefined> =>
  fc.option(arbitrary, { nil: undefined, freq: 12 })

/** The environment of a call, with all that a caller may do wrong. */
export const environments = fc.record({
  CNI_COMMAND: fc.oneof(
    { weight: 12, arbitrary: fc.constantFrom('ADD', 'ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION') },
    { weight: 1, arbitrary: fc.constantFrom('add', 'UPDATE', ' ADD', '__proto__', 'constructor', 'toString', '') },
  ),
  CNI_CONTAINERID: maybe(identifier),
  CNI_IFNAME: maybe(interfaceName),
  CNI_NETNS: maybe(
    fc.oneof(
      { weight: 8, arbitrary: fc.constantFrom('/run/netns/pod-a') },
      {
        weight: 2,
        arbitrary: fc.constantFrom(
          '',
          '/',
          '/proc/thread-self/ns/net',
          '/run/netns',
          '/gone',
          'x'.repeat(5000),
          '/proc/sys/kernel/random/boot_id',
        ),
      },
    ),
  ),
  CNI_PATH: maybe(fc.constantFrom('/opt/cni/bin', ':::/opt/cni/bin', '/', '.', 'x'.repeat(5000))),
  CNI_ARGS: maybe(fc.array(argument, { maxLength: 4 }).map((parts) => parts.join(';'))),
  CNI_NETNS_OVERRIDE: maybe(fc.constantFrom('', '0', 'x', 'TRUE ')),
})
