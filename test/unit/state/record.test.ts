import { describe, expect, test } from 'vitest'
import { loadAttachment } from '../../../src/state/attachments.js'
import { allAttachments, attachmentsOfVf } from '../../../src/state/listing.js'
import { formatRecord, parseRecord } from '../../../src/state/record-format.js'
import { call, hostOf, netConf } from '../../fakes/call.js'
import { makeMachine, OTHER_VF_ADDRESS, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { ALL_SETTINGS, IPAM } from '../../fakes/scenarios.js'

const CNI_DIR = '/var/lib/cni/sriov'
const world = makeMachine()
await call(world, 'ADD', netConf({ ...ALL_SETTINGS, ...IPAM }))
const TEXT = world.files.get(`${CNI_DIR}/pod-a-net1`) ?? ''
const { files } = hostOf(world)

describe('parseRecord()', () => {
  test('reads what formatRecord() wrote', () => {
    const read = parseRecord(TEXT)
    expect(read.kind).toBe('record')
    expect(read.kind === 'record' && formatRecord(read.record)).toBe(TEXT)
  })

  test.each(['', ' ', '{', 'null', '1', '"x"', '[]', TEXT.slice(0, -20)])('finds %j unreadable', (text) => {
    expect(parseRecord(text).kind).toBe('unreadable')
  })

  test.each([
    ['{"deviceID":"x","OrigVfState":{}}', 'another plugin'],
    ['{"pci_addr":"0000:01:10.4"}', 'another plugin'],
    ['{"schema":2}', 'newer version'],
  ])('finds %j foreign', (text, words) => {
    expect(parseRecord(text)).toMatchObject({ kind: 'foreign', problem: expect.stringContaining(words) })
  })

  test.each([
    ['linkState', 'aut0'],
    ['vlanProto', '802.1x'],
    ['vlan', 70_000],
    ['mac', '02:00:00:00:00:0g'],
  ])('finds a record whose original %s is %j unreadable', (key, value) => {
    const record = JSON.parse(TEXT)
    record.pf.vf[key] = value
    expect(parseRecord(JSON.stringify(record))).toMatchObject({
      kind: 'unreadable',
      problem: `pf.vf.${key} is missing or wrong`,
    })
  })

  test.each(['address', 'name', 'vfIndex', 'vf'])(
    'finds a record whose PF has no %s unreadable, and names it',
    (key) => {
      const record = JSON.parse(TEXT)
      delete record.pf[key]
      expect(parseRecord(JSON.stringify(record))).toMatchObject({
        kind: 'unreadable',
        problem: expect.stringContaining(`pf.${key}`),
      })
    },
  )

  test.each(['deviceId', 'original', 'netns', 'bootId', 'phase', 'wanted'])(
    'finds a record without %s unreadable, and names it',
    (key) => {
      const { [key]: _gone, ...rest } = JSON.parse(TEXT)
      expect(parseRecord(JSON.stringify(rest))).toMatchObject({
        kind: 'unreadable',
        problem: expect.stringContaining(key),
      })
    },
  )

  test('keeps keys of a later version with the same schema', () => {
    const read = parseRecord(JSON.stringify({ ...JSON.parse(TEXT), later: 1 }))
    expect(read).toMatchObject({ kind: 'record', record: { later: 1 } })
  })

  test('never throws, whatever is cut off', () => {
    for (let length = 0; length < TEXT.length - 1; length += 7) {
      expect(parseRecord(TEXT.slice(0, length)).kind).toBe('unreadable')
    }
  })
})

test('loadAttachment() takes the record of another attachment with the same file name for foreign', () => {
  world.files.set(`${CNI_DIR}/a-b-c`, TEXT)
  expect(loadAttachment({ files, path: CNI_DIR }, { containerId: 'a', ifName: 'b-c' })?.kind).toBe('foreign')
  expect(loadAttachment({ files, path: CNI_DIR }, { containerId: 'none', ifName: 'x' })).toBeUndefined()
  world.files.delete(`${CNI_DIR}/a-b-c`)
})

test('allAttachments() leaves out what is no record of ours', () => {
  world.files.set(`${CNI_DIR}/.tmp-1-1`, TEXT)
  world.files.set(`${CNI_DIR}/garbage-net1`, '{')
  expect(allAttachments({ files, path: CNI_DIR }).map(({ containerId }) => containerId)).toEqual(['pod-a'])
  expect(attachmentsOfVf({ files, path: CNI_DIR }, VF_ADDRESS)).toHaveLength(1)
  expect(attachmentsOfVf({ files, path: CNI_DIR }, OTHER_VF_ADDRESS)).toEqual([])
  expect(allAttachments({ files, path: '/nowhere' })).toEqual([])
})
