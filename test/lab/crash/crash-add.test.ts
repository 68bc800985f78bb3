import { describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { type FollowUp, rotated } from '../calls/follow-ups.js'
import { untouchedHost } from '../host/untouched-host.js'
import { CRASH_CONF, CRASH_VF, type Folders, hookedCall, podFor, prepareFolders, recordPoints } from './crash.js'
import { killAt, type Point } from './hooked-call.js'

untouchedHost()

const points = await recordPoints('ADD')
const folderPoints = (await recordPoints('ADD', 'absent')).filter(({ what }) => what.startsWith('mkdirSync'))

async function killAndGoOn(point: Point, followUp: FollowUp, folders: Folders): Promise<void> {
  count('kill points')
  prepareFolders(folders)
  const pod = await podFor('ADD')
  await killAt(point, hookedCall('ADD', pod))
  await followUp.run({ pod, conf: CRASH_CONF, vf: CRASH_VF })
}

test('the hook sees an ADD at work', () => {
  expect(points.map(({ what }) => what).join('\n')).toMatch(
    /linkSync[\s\S]*startChild[\s\S]*NEWLINK[\s\S]*SETLINK[\s\S]*NEWLINK[\s\S]*renameSync/,
  )
  expect(folderPoints.length).toBeGreaterThan(2)
})

describe('an ADD killed', () => {
  test.each(rotated(points))('$when $at, $what: $next', ({ followUp, ...point }) =>
    killAndGoOn(point, followUp, 'present'),
  )
})

describe('an ADD on a machine that never had one, killed', () => {
  test.each(rotated(folderPoints))('$when $at, $what: $next', ({ followUp, ...point }) =>
    killAndGoOn(point, followUp, 'absent'),
  )
})
