import { chmodSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { add, BIN_DIR, DEFAULT_IFNAME, del, failing, hostLocal, netConf } from '../calls/plugin.js'
import { newPod, removePod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { LEASE_FOLDER, STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

const VF = vf(1)
const conf = netConf(VF, { ...ALL_SETTINGS, ...hostLocal() })

const DAMAGES: readonly (readonly [string, (path: string) => void])[] = [
  ['missing', (path) => rmSync(path)],
  ['empty', (path) => truncateSync(path)],
  ['cut off', (path) => writeFileSync(path, readFileSync(path).subarray(0, 100))],
  ['garbage', (path) => writeFileSync(path, Buffer.from('ff00fe01', 'hex'))],
  ['another JSON document', (path) => writeFileSync(path, '[1, 2, 3]')],
  ['a JSON object without what matters', (path) => writeFileSync(path, '{"schema":1,"phase":"attached"}')],
]

describe.each(DAMAGES)('DEL gives back VF and lease while the record is %s', (_name, damage) => {
  test.each([
    ['stands', false],
    ['is gone', true],
  ])('and the namespace %s', async (_state, isGone) => {
    const pod = await newPod()
    await add(pod, conf)
    damage(`${STATE_FOLDER}/${pod.containerId}-${DEFAULT_IFNAME}`)
    if (isGone) {
      await removePod(pod)
    }
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
    await del(pod, conf)
  })
})

test('DEL without the whole state folder frees the lease', async () => {
  const pod = await newPod()
  await host.prepare(async () => {
    await add(pod, conf)
    rmSync(STATE_FOLDER, { recursive: true })
  })
  await del(pod, conf)
  const changed = await host.differences()
  expect(changed.every((line) => line.startsWith(LEASE_FOLDER) && line.endsWith('(absent)'))).toBe(true)
  expect(changed).toHaveLength(1)
  // For the comparison at the end: what cannot be known is not given back.
  await host.prepare(async () => undefined)
})

describe('an IPAM plugin that fails at DEL', () => {
  const folder = '/run/broken-ipam'
  const environment = { env: { CNI_PATH: `${folder}:${BIN_DIR}` } }

  beforeAll(() => {
    mkdirSync(folder, { recursive: true })
    const refusal = JSON.stringify({ cniVersion: '1.0.0', code: 11, msg: 'the lease server is away' })
    writeFileSync(
      `${folder}/host-local`,
      `#!/bin/sh\nif [ "$CNI_COMMAND" = DEL ]; then echo '${refusal}'; exit 1; fi\nexec ${BIN_DIR}/host-local\n`,
    )
    chmodSync(`${folder}/host-local`, 0o755)
  })

  afterAll(() => rmSync(folder, { recursive: true }))

  test('keeps the lease and the record, not the VF; the next DEL ends it', async () => {
    const pod = await newPod()
    await add(pod, conf)
    const error = await failing('DEL', pod, conf, environment)
    expect(error.msg).toContain('the lease server is away')
    const left = await host.differences()
    expect(left.filter((line) => !line.startsWith(STATE_FOLDER) && !line.startsWith(LEASE_FOLDER))).toEqual([])
    expect(left.some((line) => line.startsWith(`${STATE_FOLDER}/${pod.containerId}-${DEFAULT_IFNAME}: `))).toBe(true)
    await failing('DEL', pod, conf, environment)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test('does not keep the next pod from the VF', async () => {
    const [first, second] = [await newPod(), await newPod()]
    await add(first, conf)
    await failing('DEL', first, conf, environment)
    await add(second, conf)
    await del(first, conf)
    await del(second, conf)
    expect(await host.differences()).toEqual([])
  })
})
