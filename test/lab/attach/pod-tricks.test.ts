import { describe, expect, test } from 'vitest'
import { add, call, check, DEFAULT_IFNAME, del, failing, netConf } from '../calls/plugin.js'
import { inPod, newPod, type Pod, removePod } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { linksIn } from '../host/kernel-view.js'
import { ip, shell, start } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const VF = vf(3)
const conf = netConf(VF, ALL_SETTINGS)

const namesIn = async (where: Pod | undefined): Promise<string[]> =>
  (await linksIn(where)).map(({ ifname }) => ifname).sort()

const batch = (pod: Pod, ...commands: string[]): Promise<string> =>
  shell(commands.map((command) => `ip -n ${pod.name} link ${command}`).join('\n'))

/** The pod's VF under another name. */
async function podWithRenamedVf(): Promise<Pod> {
  const pod = await newPod()
  await add(pod, conf)
  await batch(pod, `set ${DEFAULT_IFNAME} down`, `set ${DEFAULT_IFNAME} name data0 up`)
  return pod
}

describe('an interface of the pod itself stays in the pod', () => {
  test.each([
    ['under the name the VF had there', DEFAULT_IFNAME],
    ['under the name the VF has on the host', VF.name],
  ])('%s; DEL gives the VF back', async (_where, name) => {
    const pod = await podWithRenamedVf()
    await batch(pod, `add ${name} type veth peer name other`)
    await del(pod, conf)
    expect(await namesIn(pod)).toEqual(['lo', name, 'other'].sort())
    expect(await host.differences()).toEqual([])
  })

  test('under both names, the VF hidden in another namespace; DEL refuses, and gives the VF back once it is there', async () => {
    const [pod, hiding] = [await podWithRenamedVf(), await newPod()]
    await batch(pod, `set data0 netns ${hiding.name}`, `add ${DEFAULT_IFNAME} type veth peer name ${VF.name}`)
    expect(await failing('DEL', pod, conf)).toMatchObject({ msg: expect.stringContaining(VF.pci) })
    expect(await namesIn(pod)).toEqual(['lo', DEFAULT_IFNAME, VF.name].sort())
    expect(await namesIn(undefined)).not.toContain(VF.name)
    await ip(`-n ${hiding.name} link set data0 netns ${pod.name}`)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test('while it takes turns with the VF under one name', async () => {
    const pod = await podWithRenamedVf()
    await batch(pod, 'set data0 down', 'add data1 type veth peer name other')
    const turns = ['set data0 name data2', 'set data1 name data0', 'set data0 name data1', 'set data2 name data0']
    const script = `while ip -n ${pod.name} -batch - <<<$'${turns.map((turn) => `link ${turn}`).join('\\n')}'; do :; done`
    const turning = start('/bin/bash', ['-c', script])
    for (let tries = 0; tries < 5; tries += 1) {
      await call('DEL', pod, conf)
      expect((await linksIn(undefined)).filter(({ linkinfo }) => linkinfo?.info_kind === 'veth')).toEqual([])
    }
    turning.killGroup()
    await turning.done
    await del(pod, conf)
    expect((await namesIn(pod)).includes('other')).toBe(true)
    expect(await host.differences()).toEqual([])
  })

  test('CHECK tells it from the VF', async () => {
    const pod = await podWithRenamedVf()
    await batch(pod, `add ${DEFAULT_IFNAME} type veth peer name other`)
    expect(await failing('CHECK', pod, conf)).toMatchObject({ msg: expect.stringContaining(VF.pci) })
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })
})

describe('an alternative name that the pod gave the VF', () => {
  test.each([
    ['that is free on the host', 'thealt'],
    ['that is the name of the VF on the host', VF.name],
    ['that is the name of another VF', vf(5).name],
    ['that is the name of the PF', VF.pf],
  ])('%s goes with DEL', async (_which, name) => {
    const pod = await newPod()
    await add(pod, conf)
    await inPod(pod, 'ip', 'link', 'property', 'add', 'dev', DEFAULT_IFNAME, 'altname', name)
    await check(pod, conf)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  test('and the VF was renamed as well', async () => {
    const pod = await podWithRenamedVf()
    await inPod(pod, 'ip', 'link', 'property', 'add', 'dev', 'data0', 'altname', VF.name)
    await del(pod, conf)
    expect(await host.differences()).toEqual([])
  })

  /** Kernels before 6.6 show such a name for ever, and do not find it: that alone may differ. */
  test.each([
    ['DEL', async (pod: Pod) => del(pod, conf, { env: { CNI_NETNS: '' } })],
    [
      'the ADD of the next pod',
      async () => {
        const next = await newPod()
        await add(next, conf)
        await del(next, conf)
      },
    ],
  ])('keeps no VF: its namespace is gone, and %s gives it back', async (_how, giveBack) => {
    const pod = await newPod()
    await add(pod, conf)
    await inPod(pod, 'ip', 'link', 'property', 'add', 'dev', DEFAULT_IFNAME, 'altname', VF.name)
    await inPod(pod, 'ip', 'link', 'property', 'add', 'dev', DEFAULT_IFNAME, 'altname', 'stray')
    await removePod(pod)
    await giveBack(pod)
    await host.acceptStrayAltNames(VF)
    expect(await host.differences()).toEqual([])
  })
})
