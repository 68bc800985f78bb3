import { describe, expect, test } from 'vitest'
import { dispatch } from '../../src/cni/dispatch.js'
import { SUPPORTED_VERSIONS } from '../../src/cni/version.js'
import { handlers } from '../../src/commands/handlers.js'
import { callRaw } from '../fakes/call.js'
import { makeMachine, POD_A } from '../fakes/machine/machine.js'
import { snapshot } from '../fakes/machine/snapshot.js'
import { HOST_NETNS } from '../fakes/machine/world.js'
import { environmentOf, oneDocument, SKEL_CASES } from './skel-cases.js'

const succeed = async () => ({ cniVersion: '1.1.0' })
const nothing = async () => undefined
const BENIGN = { ADD: succeed, DEL: nothing, CHECK: nothing, GC: nothing, STATUS: nothing }
const OWN_NETNS = new Set(['ADD netns self', 'DEL netns self'])

async function answer(environment: Record<string, string>, stdin: string) {
  const written = { stdout: '', stderr: '' }
  const exitCode = await dispatch(
    environment,
    {
      readStdin: () => stdin,
      writeStdout: (text) => {
        written.stdout += text
      },
      writeStderr: (text) => {
        written.stderr += text
      },
    },
    BENIGN,
  )
  return { exitCode, ...written }
}

describe('dispatch() answers as the reference does', () => {
  const cases = SKEL_CASES.filter(({ name }) => !OWN_NETNS.has(name))

  test.each(cases)('$name', async (one) => {
    const { exitCode, stdout, stderr } = await answer(environmentOf(one, POD_A, HOST_NETNS), one.stdin)
    const document = oneDocument(stdout)
    expect(exitCode).toBe(one.exitCode)
    expect(document?.code).toBe(one.code)
    if (one.msg !== undefined) {
      expect(document?.msg).toBe(one.msg)
    }
    if (one.details !== undefined) {
      expect(document?.details).toBe(one.details)
    }
    if (one.environment.CNI_COMMAND === undefined) {
      expect(stdout).toBe('')
      expect(stderr).toMatch(/\nCNI protocol versions supported: 0\.1\.0, .*1\.1\.0\n$/)
    }
    if (one.environment.CNI_COMMAND === 'VERSION') {
      expect(document).toEqual({ cniVersion: '1.1.0', supportedVersions: SUPPORTED_VERSIONS })
    }
  })
})

describe('the real handlers', () => {
  test.each(SKEL_CASES.filter(({ name }) => OWN_NETNS.has(name)))('$name', async (one) => {
    const world = makeMachine()
    const { exitCode, stdout } = await callRaw(world, environmentOf(one, POD_A, HOST_NETNS), one.stdin)
    expect({ exitCode, code: oneDocument(stdout)?.code }).toEqual({ exitCode: 1, code: 8 })
    expect(oneDocument(stdout)?.msg).toContain(one.msg)
  })

  test.each(SKEL_CASES)('leave the world as it was and print one document at the most: $name', async (one) => {
    const world = makeMachine()
    const before = snapshot(world)
    const { stdout } = await callRaw(world, environmentOf(one, POD_A, HOST_NETNS), one.stdin)
    expect(() => oneDocument(stdout)).not.toThrow()
    expect(snapshot(world)).toEqual(before)
  })
})

test('dispatch() accepts the configuration of Multus 1: a type, no name and no version', async () => {
  const environment = { CNI_COMMAND: 'ADD', CNI_CONTAINERID: 'a', CNI_NETNS: POD_A, CNI_IFNAME: 'net0', CNI_PATH: '/' }
  expect((await answer(environment, '{"type":"sriov","masterplugin":true}')).exitCode).toBe(0)
  expect((await answer(environment, '{}')).exitCode).toBe(1)
})

test('dispatch() does not read stdin for VERSION', async () => {
  const refuse = () => {
    throw new Error('stdin was read')
  }
  const streams = { readStdin: refuse, writeStdout: () => undefined, writeStderr: () => undefined }
  expect(await dispatch({ CNI_COMMAND: 'VERSION' }, streams, BENIGN)).toBe(0)
})

test('dispatch() answers code 5 when stdin cannot be read', async () => {
  let stdout = ''
  const streams = {
    readStdin: () => {
      throw Object.assign(new Error('x'), { code: 'EAGAIN' })
    },
    writeStdout: (text: string) => {
      stdout += text
    },
    writeStderr: () => undefined,
  }
  expect(await dispatch({ CNI_COMMAND: 'GC', CNI_PATH: '/' }, streams, BENIGN)).toBe(1)
  expect(oneDocument(stdout)).toMatchObject({ code: 5, msg: expect.stringContaining('EAGAIN') })
})

test('dispatch() answers with code 999 when making the host throws something unknown', async () => {
  let stdout = ''
  const broken = handlers({
    openFiles: () => {
      throw new TypeError('broken')
    },
    hostOf: () => {
      throw new TypeError('not reached')
    },
  })
  const streams = {
    readStdin: () => '{"cniVersion":"1.1.0","name":"n"}',
    writeStdout: (text: string) => {
      stdout += text
    },
    writeStderr: () => undefined,
  }
  expect(await dispatch({ CNI_COMMAND: 'STATUS', CNI_PATH: '/' }, streams, broken)).toBe(1)
  expect(oneDocument(stdout)).toMatchObject({ code: 999, msg: 'broken', cniVersion: '1.1.0' })
})
