import { describe, expect, test } from 'vitest'
import { commitIntent, removeAttachment } from '../../../src/state/attachments.js'
import { claimPath, readClaim, removeClaim } from '../../../src/state/claims.js'
import { allAttachments } from '../../../src/state/listing.js'
import { call, hostOf, netConf } from '../../fakes/call.js'
import { makeMachine, VF_ADDRESS } from '../../fakes/machine/machine.js'
import { setPolicy } from '../../fakes/policy.js'

const FOLDER = '/srv/cni'

describe('commitIntent() in a folder of its own', () => {
  test('does not bring the claim of an ADD back that was undone while the disk was at work', async () => {
    const world = makeMachine()
    setPolicy(world, { stateFolders: ['/srv'] })
    await call(world, 'ADD', netConf({ cniDir: FOLDER }))
    const { files } = hostOf(world)
    const [record] = allAttachments({ files, path: FOLDER })
    if (!record) {
      throw new Error('there is no record')
    }
    removeAttachment({ files, path: FOLDER }, record)
    removeClaim(files, record)

    let endSync: () => void = () => undefined
    const slow = {
      ...files,
      createDurably(path: string, text: string) {
        files.createDurably(path, text)
        return { onDisk: new Promise<void>((resolve) => (endSync = resolve)) }
      },
    }
    const { onDisk } = commitIntent({ files: slow, path: FOLDER }, record)
    expect(readClaim(files, VF_ADDRESS)).toBeDefined()
    removeAttachment({ files, path: FOLDER }, record)
    removeClaim(files, record)
    endSync()
    await onDisk.catch(() => undefined)
    expect(world.files.has(claimPath(VF_ADDRESS))).toBe(false)
  })
})
