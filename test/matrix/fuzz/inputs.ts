import * as fc from 'fast-check'
import { VF_ADDRESS } from '../../fakes/machine/machine.js'
import { damage, damaged } from './damage.js'

/** Values in JSON that a key may be given by mistake or malice: text, so that no parser has touched them. */
const EVIL = [
  'null',
  'true',
  '0',
  '-1',
  '-0',
  '1.5',
  '1e308',
  '1e999',
  '4294967296',
  '9007199254740993',
  '18446744073709551616',
  '""',
  '" "',
  '"\\u0000"',
  '"\\ud800"',
  '"\ufeffx"',
  '"../../etc/passwd"',
  '"/"',
  '"ff:ff:ff:ff:ff:ff"',
  '"0000:01:10.2"',
  '"__proto__"',
  '"💥"',
  `"${'x'.repeat(5000)}"`,
  '[]',
  '{}',
  '[null]',
  '[[[[]]]]',
  '{"__proto__":{"type":"x"},"constructor":1,"toString":2}',
  `${'['.repeat(2000)}${']'.repeat(2000)}`,
  `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`,
  '[{"containerID":"pod-b","ifname":"net1"},{"containerID":1},null]',
  '{"type":"host-local"}',
  '{"type":"../host-local"}',
  '{"type":["host-local"]}',
  '{"mac":"02:00:00:00:00:01","deviceID":"0000:01:10.4","ips":[1]}',
  '{"cni":{"mac":7}}',
  '{"ips":[{"address":"x"}],"interfaces":[null,{"name":5}],"routes":[1]}',
  '{"ip4":{"ip":"10.0.0.1"},"ip6":[]}',
]

/** Keys with values that an ADD takes, as text. */
const GOOD: readonly (readonly [string, readonly string[]])[] = [
  ['cniVersion', ['"1.1.0"', '"1.0.0"', '"0.4.0"', '"0.3.1"', '"0.2.0"', '"0.1.0"', '""']],
  ['name', ['"sriov-net"']],
  ['type', ['"sriov"']],
  ['deviceID', [`"${VF_ADDRESS}"`]],
  ['pciBusID', [`"${VF_ADDRESS}"`]],
  ['vlan', ['0', '5', '4094']],
  ['vlanQoS', ['0', '3']],
  ['vlanProto', ['"802.1q"', '"802.1AD"']],
  ['mac', ['"02:00:00:00:00:77"', '"02-00-00-00-00-78"']],
  ['min_tx_rate', ['0', '10']],
  ['max_tx_rate', ['0', '100', '4294967295']],
  ['spoofchk', ['"on"', '"off"']],
  ['trust', ['"on"', '"off"']],
  ['link_state', ['"auto"', '"enable"', '"disable"']],
  ['mtu', ['68', '1500', '9000']],
  ['promisc', ['true', 'false']],
  ['allmulti', ['true']],
  ['ipam', ['{"type":"host-local"}', '{}', '{"type":""}']],
  ['dns', ['{"nameservers":["10.0.0.1"]}']],
  ['l2enable', ['false', 'true']],
  ['logLevel', ['"debug"']],
  ['runtimeConfig', ['{"mac":"02:00:00:00:00:79"}', '{}']],
  ['capabilities', ['{"mac":true}']],
  ['args', ['{"cni":{"mac":"02:00:00:00:00:7a"}}']],
  ['prevResult', ['{"cniVersion":"1.1.0","interfaces":[{"name":"net1"}]}']],
  ['cni.dev/valid-attachments', ['[{"containerID":"pod-b","ifname":"net1"}]']],
  ['cni.dev/attachments', ['[]']],
  ['master', ['"ens1f0"']],
  ['selectors', ['{"pfNames":["ens1f0"]}']],
  ['unknown', ['1']],
  ['max-tx-rate', ['5']],
]

type Pair = readonly [string, string]

const REQUIRED: readonly Pair[] = [
  ['cniVersion', '"1.1.0"'],
  ['name', '"sriov-net"'],
  ['type', '"sriov"'],
  ['deviceID', `"${VF_ADDRESS}"`],
]

const goodPair: fc.Arbitrary<Pair> = fc
  .constantFrom(...GOOD)
  .chain(([key, values]) => fc.constantFrom(...values).map((value): Pair => [key, value]))

const anyKey = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...GOOD.map(([key]) => key)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('VLAN', 'DeviceId', 'IPAM', '__proto__', 'if0', 'vf', 'dpdk', 'pfOnly', 'if0name'),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 30 }) },
)

const evilValue = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...EVIL) },
  { weight: 1, arbitrary: fc.json({ maxDepth: 4 }) },
)

const evilPair: fc.Arbitrary<Pair> = fc.tuple(anyKey, evilValue)

const textOf = (pairs: readonly Pair[]): string =>
  `{${pairs.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}`

/** A configuration with some keys right and a few wrong, duplicates included. */
const confText = fc
  .tuple(fc.boolean(), fc.array(goodPair, { maxLength: 6 }), fc.array(evilPair, { maxLength: 2 }))
  .map(([isWhole, good, evil]) => textOf([...(isWhole ? REQUIRED : REQUIRED.slice(0, 2)), ...good, ...evil]))

const damagedText = fc
  .tuple(confText, fc.array(damage, { minLength: 1, maxLength: 3 }))
  .map(([text, all]) => all.reduce(damaged, Buffer.from(text)).toString('utf8'))

const oddText = fc.constantFrom(
  '',
  ' ',
  'null',
  '[]',
  '"x"',
  '1',
  '{',
  '\ufeff{}',
  '{}\0',
  '{} {}',
  '['.repeat(100_000),
  '{"a":'.repeat(20_000),
  `{"name":"${'n'.repeat(1_000_000)}"}`,
  `{"cniVersion":"1.1.0","name":"n","type":"${'x'.repeat(500_000)}"}`,
  `{"cniVersion":"${'1.'.repeat(50_000)}","name":"n"}`,
  `{"cniVersion":"1.1.0","name":"n","vlan":${'9'.repeat(100_000)}}`,
)

/** What may come on stdin. */
export const stdinText: fc.Arbitrary<string> = fc.oneof(
  { weight: 12, arbitrary: confText },
  { weight: 5, arbitrary: damagedText },
  { weight: 1, arbitrary: oddText },
  { weight: 1, arbitrary: fc.string({ maxLength: 200, unit: 'binary' }) },
)
