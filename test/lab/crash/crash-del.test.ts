import { describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { rotated } from '../calls/follow-ups.js'
import { untouchedHost } from '../host/untouched-host.js'
import { CRASH_CONF, CRASH_VF, hookedCall, podFor, prepareFolders, recordPoints } from './crash.js'
import { killAt } from './hooked-call.js'

untouchedHost()

const points = await recordPoints('DEL')

test('the hook sees a DEL at work', () => {
  expect(points.map(({ what }) => what).join('\n')).toMatch(
    /tryLock[\s\S]*startChild[\s\S]*LINK[\s\S]*writeSync pipe[\s\S]*unlinkSync/,
  )
})

describe('a DEL killed', () => {
  test.each(rotated(points))('$when $at, $what: $next', async ({ followUp, ...point }) => {
    count('kill points')
    prepareFolders('present')
    const pod = await podFor('DEL')
    await killAt(point, hookedCall('DEL', pod))
    await followUp.run({ pod, conf: CRASH_CONF, vf: CRASH_VF })
  })
})
