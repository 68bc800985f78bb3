import { readFileSync, rmSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { add, type Conf, del, hostLocal, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { isMove, isVfDump, traceNetlink } from '../host/netlink-trace.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

untouchedHost()

const logFile = '/var/log/sriov-debug.log'

afterEach(() => rmSync(logFile, { force: true }))

interface LogLine {
  readonly isVfDump?: boolean
  readonly isMove?: boolean
}

const logged = (): LogLine[] =>
  readFileSync(logFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine)

test.each([
  ['no settings', {}],
  ['all settings and a lease', { ...ALL_SETTINGS, ...hostLocal() }],
] as const)(
  'ADD with %s asks once for the VFs and moves once, in its log and by the kernel',
  async (_name, more: Conf) => {
    const pod = await newPod()
    const conf = netConf(vf(5), { ...more, logLevel: 'debug', logFile })
    const seen = await traceNetlink(() => add(pod, conf))
    const lines = logged()
    expect(lines.filter((line) => line.isVfDump)).toHaveLength(1)
    expect(lines.filter((line) => line.isMove)).toHaveLength(1)
    expect(seen.filter(isVfDump)).toHaveLength(1)
    expect(seen.filter(isMove)).toHaveLength(1)
    await del(pod, conf)
  },
)
