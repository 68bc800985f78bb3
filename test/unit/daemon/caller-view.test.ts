import { describe, expect, test } from 'vitest'
import { seesSameFiles } from '../../../src/daemon/caller-view.js'

const ours = { isOurs: () => true, sharesPath: () => true }

const request = (path: string) => ({
  callerNetns: { device: '4', inode: '1' },
  environment: { CNI_COMMAND: 'ADD', CNI_PATH: path },
  stdin: '{}',
})

describe('a caller in our own mount namespace', () => {
  test.each([
    ['/opt/cni/bin', true],
    ['/opt/cni/bin:/usr/lib/cni', true],
    ['', true],
    // cnitool's documentation has it like this; the working folder of the resident process is another one.
    ['./bin', false],
    ['/opt/cni/bin:bin', false],
  ])('sees the same files with CNI_PATH %j: %s', (path, isSame) => {
    expect(seesSameFiles(ours, request(path))).toBe(isSame)
  })
})
