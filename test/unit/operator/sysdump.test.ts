import { gunzipSync } from 'node:zlib'
import { parseTar } from 'nanotar'
import { expect, test } from 'vitest'
import { withoutSecrets } from '../../../src/operator/report/secrets.js'
import { call, netConf } from '../../fakes/call.js'
import { makeMachine, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { IPAM } from '../../fakes/scenarios.js'
import { saved, sriovctl } from './operator.js'

test('sysdump has what a report needs, says what is in it, and has no secrets', async () => {
  const world = makeMachine()
  world.files.set('/etc/cni/net.d/10.conf', '{"type":"sriov","etcd":{"password":"hunter2","host":"db"}}')
  world.files.set('/etc/cni/net.d/20.conf', 'password=hunter2')
  await call(world, 'ADD', netConf({ ...IPAM, ipam: { ...(IPAM as { ipam: object }).ipam, auth_token: 'hunter2' } }))
  const { exitCode, text } = await sriovctl(world, ['sysdump', '/tmp/report.tar.gz'])
  expect(exitCode).toBe(0)
  const files = parseTar(gunzipSync(saved.get('/tmp/report.tar.gz') ?? ''))
  const names = files.map(({ name }) => name.replace('sriov-sysdump/', ''))
  expect(names).toEqual(
    expect.arrayContaining([
      'versions.txt',
      'status.json',
      'doctor.json',
      'journal.jsonl',
      'sysfs.txt',
      'ip-link.json',
    ]),
  )
  expect(names).toEqual(expect.arrayContaining(['records/pod-a-net1', `records/.vf-${VF_ADDRESS}`, 'networks/10.conf']))
  expect(names.filter((name) => !text.includes(`  ${name} (`))).toEqual([])
  const whole = files.map((file) => file.text).join('\n')
  expect(whole).not.toContain('hunter2')
  expect(whole).toContain('"host": "db"')
  expect(files.find(({ name }) => name.endsWith('ip-link.json'))?.text).toContain(
    'could not be made: there is no ip here',
  )
})

test('a secret in a text within a record is left out, too', () => {
  const record = { ipam: { stdin: '{"ipam":{"type":"x","Password":"hunter2"}}' }, name: 'a' }
  expect(withoutSecrets(JSON.stringify(record))).not.toContain('hunter2')
  expect(withoutSecrets(JSON.stringify(record))).toContain('"name": "a"')
})
