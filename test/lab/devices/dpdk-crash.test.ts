import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { add, type Conf, del, failing, hostLocal, netConf, startCall } from '../calls/plugin.js'
import { newPod, type Pod, removePod } from '../calls/pods.js'
import { removePolicy, setPolicy } from '../calls/policy.js'
import { hookedCall, podFor, prepareFolders, recordPoints } from '../crash/crash.js'
import { killAt, type Point } from '../crash/hooked-call.js'
import { driverOf, overrideOf } from '../host/drivers.js'
import { sleep } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const VF = vf(2)
const SETTINGS: Conf = { vlan: 21, mac: '02:00:00:00:21:02', max_tx_rate: 150, spoofchk: 'off', trust: 'on' }
const BY_SYSFS = netConf(VF, { ...SETTINGS, dpdk: { dpdk_driver: 'vfio-pci' }, ...hostLocal() })

/** From the first write to sysfs to the last, and what is done right before and after them. */
function rebindingOf(points: readonly Point[]): Point[] {
  const isWrite = ({ what }: Point) => what.includes('/sys/')
  const first = points.findIndex(isWrite)
  const last = points.findLastIndex(isWrite)
  return points.slice(Math.max(first - 2, 0), last + 3)
}

const addPoints = rebindingOf(await recordPoints('ADD', 'present', BY_SYSFS))
const delPoints = rebindingOf(await recordPoints('DEL', 'present', BY_SYSFS))

/** What may come after a kill, by turns. */
const ENDS: readonly ((pod: Pod) => Promise<void>)[] = [
  (pod) => del(pod, BY_SYSFS),
  async (pod) => {
    await removePod(pod)
    await del(pod, BY_SYSFS, { env: { CNI_NETNS: '' } })
  },
]

async function endAndExpectBack(pod: Pod, turn: number): Promise<void> {
  await ENDS[turn % ENDS.length]?.(pod)
  expect([driverOf(VF), overrideOf(VF)]).toEqual(['igbvf', '(null)'])
  expect(await host.differences()).toEqual([])
}

test('the hook sees the rebinding', () => {
  const seen = (points: readonly Point[]) => points.map(({ what }) => what).join('\n')
  for (const points of [addPoints, delPoints]) {
    expect(seen(points)).toMatch(/driver_override[\s\S]*unbind[\s\S]*drivers_probe[\s\S]*driver_override/)
  }
})

describe('kill -9 of an ADD that rebinds', () => {
  test.each(addPoints.map((point, turn) => ({ ...point, turn })))('$when $at, $what', async ({ turn, ...point }) => {
    count('kill points')
    prepareFolders('present')
    const pod = await newPod()
    await killAt(point, hookedCall('ADD', pod, BY_SYSFS))
    await endAndExpectBack(pod, turn)
  })
})

describe('kill -9 of a DEL that rebinds', () => {
  test.each(delPoints.map((point, turn) => ({ ...point, turn })))('$when $at, $what', async ({ turn, ...point }) => {
    count('kill points')
    prepareFolders('present')
    const pod = await podFor('DEL', BY_SYSFS)
    await killAt(point, hookedCall('DEL', pod, BY_SYSFS))
    await endAndExpectBack(pod, turn)
  })
})

describe('a tool', () => {
  const TOOL = '/run/devbind-of-a-test'
  const conf = netConf(VF, {
    ...SETTINGS,
    dpdk: { dpdk_driver: 'vfio-pci', kernel_driver: 'igbvf', dpdk_tool: TOOL },
  })

  function tool(script: string): void {
    writeFileSync(TOOL, `#!/bin/sh\n${script}\n`)
    chmodSync(TOOL, 0o755)
  }
  const REAL = 'exec /usr/bin/dpdk-devbind.py "$@"'
  const UNBIND =
    'echo vfio-pci >/sys/bus/pci/devices/$3/driver_override; echo $3 >/sys/bus/pci/devices/$3/driver/unbind'

  beforeAll(() => setPolicy({ dpdkTools: [TOOL] }))
  afterAll(() => {
    rmSync(TOOL, { force: true })
    removePolicy()
  })

  test('that is killed half-way: ADD says so, and all is as before', async () => {
    const pod = await newPod()
    tool(`[ "$2" = igbvf ] && { ${REAL}; }; ${UNBIND}; kill -9 $$`)
    const { msg } = await failing('ADD', pod, conf)
    expect(msg).toContain(`${TOOL} -b vfio-pci ${VF.pci}: exit status 137`)
    expect(await host.differences()).toEqual([])
  })

  test('that fails: its words are in the error', async () => {
    const pod = await newPod()
    tool('echo "cannot do that today" >&2; exit 3')
    const { msg } = await failing('ADD', pod, conf)
    expect(msg).toContain('exit status 3: cannot do that today')
    expect(await host.differences()).toEqual([])
  })

  test('that is gone, or fails, at DEL: through sysfs then', async () => {
    for (const spoil of [() => rmSync(TOOL), () => tool('exit 1'), () => tool(`${UNBIND}; exit 0`)]) {
      const pod = await newPod()
      tool(REAL)
      await add(pod, conf)
      spoil()
      await del(pod, conf)
      expect(await host.differences()).toEqual([])
    }
  })

  test('that lives on when the plugin is killed: DEL waits for it', async () => {
    const pod = await newPod()
    tool(`[ "$2" = igbvf ] || sleep 3; ${REAL}`)
    for (const afterMs of [500, 2500]) {
      count('kill points')
      const call = startCall('ADD', pod, conf)
      await sleep(afterMs)
      process.kill(call.pid, 'SIGKILL')
      await call.done
      await del(pod, conf)
      await sleep(4000)
      expect(await host.differences()).toEqual([])
    }
  })

  test('that is killed with the plugin', async () => {
    tool(`${UNBIND}; sleep 20`)
    const pod = await newPod()
    const call = startCall('ADD', pod, conf)
    await sleep(2500)
    count('kill points')
    call.killGroup()
    await call.done
    tool(REAL)
    await del(pod, conf)
  })
})
