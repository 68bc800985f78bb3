import { expect, test } from 'vitest'
import { readPoolConf } from '../../../src/pool/conf/conf.js'
import { takeInventory } from '../../../src/pool/devices/inventory.js'
import { dealOut } from '../../../src/pool/devices/pools.js'
import { promisedDevices, writePromise } from '../../../src/state/promises.js'
import { call, callHostAs, netConf } from '../../fakes/call.js'
import { ableDriver, igbDriver } from '../../fakes/machine/card.js'
import { addPod, makeNode, pfNameAt, podPathAt, vfAddressAt } from '../../fakes/machine/node.js'
import { randomNumbers } from '../../fakes/random.js'

const SEEDS = Array.from({ length: 60 }, (_, seed) => seed + 1)
const STEPS = 25
const VFS = 4
const PODS = 4
const CHECKPOINT = '/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint'
const CONFS = readPoolConf(
  JSON.stringify({
    resourceList: [
      {
        resourceName: 'low',
        selectors: [{ pfNames: [`${pfNameAt(0)}#0-1`], drivers: ['igbvf'] }, { pfNames: [`${pfNameAt(1)}#0`] }],
      },
      { resourceName: 'igb', selectors: [{ drivers: ['igbvf'] }] },
      { resourceName: 'rest', selectors: [{}] },
    ],
  }),
  'config.json',
).resources

/** What a device of the model is. */
interface ModelVf {
  readonly pf: number
  readonly index: number
  isThere: boolean
  hasDriver: boolean
  /** The number of the pod that kubelet has given it to, and whether that pod has it. */
  pod?: number
  isAttached: boolean
  /** The resource that it was promised for. */
  resource?: string
}

const resourceOf = ({ pf, index, hasDriver, resource }: ModelVf): string => {
  if (resource !== undefined) {
    return resource
  }
  const isLow = pf === 0 ? index <= 1 && hasDriver : index === 0
  return isLow ? 'low' : pf === 0 && hasDriver ? 'igb' : 'rest'
}

test.each(SEEDS)('the pools are what a model says while VFs come, go and serve pods (seed %i)', async (seed) => {
  const world = makeNode({ drivers: [igbDriver, ableDriver], vfsPerPf: VFS, pods: PODS })
  const below = randomNumbers(seed)
  const pick = <T>(list: readonly T[]): T | undefined => list[below(list.length)]
  const model: ModelVf[] = [0, 1].flatMap((pf) =>
    Array.from({ length: VFS }, (_, index) => ({ pf, index, isThere: true, hasDriver: true, isAttached: false })),
  )
  const host = () => callHostAs(world, {})
  const conf = (vf: ModelVf) => netConf({ deviceID: vfAddressAt(vf) })
  const asPod = (pod: number) => ({ containerId: `pod-${pod}`, netns: podPathAt(pod) })
  const removed = new Map<string, ReturnType<typeof world.vf>>()
  const write = () =>
    world.files.set(
      CHECKPOINT,
      JSON.stringify({
        Data: {
          PodDeviceEntries: model.flatMap((vf) =>
            vf.pod === undefined ? [] : [{ PodUID: `uid-${vf.pod}`, DeviceIDs: { '-1': [vfAddressAt(vf)] } }],
          ),
        },
      }),
    )
  write()

  const actions: readonly ((vf: ModelVf) => unknown)[] = [
    function allocate(vf) {
      const pod = pick([0, 1, 2, 3].filter((one) => model.every((other) => other.pod !== one)))
      if (vf.isThere && vf.hasDriver && vf.pod === undefined && pod !== undefined) {
        vf.resource = resourceOf(vf)
        vf.pod = pod
        writePromise(host().files, vfAddressAt(vf), {
          resource: `intel.com/${vf.resource}`,
          since: '2025-01-01T00:00:00Z',
        })
        write()
      }
    },
    async function attach(vf) {
      if (vf.pod !== undefined && !vf.isAttached && vf.isThere && vf.hasDriver) {
        const answer = await call(world, 'ADD', conf(vf), asPod(vf.pod))
        expect(answer.exitCode, answer.stdout).toBe(0)
        vf.isAttached = true
      }
    },
    async function end(vf) {
      if (vf.pod !== undefined) {
        if (vf.isAttached) {
          expect((await call(world, 'DEL', conf(vf), asPod(vf.pod))).exitCode).toBe(0)
        }
        vf.isAttached = false
        delete vf.pod
        delete vf.resource
        world.files.delete(`/var/lib/cni/sriov/.promises/${vfAddressAt(vf)}`)
        write()
      }
    },
    function unbind(vf) {
      if (vf.isThere && !vf.isAttached && vf.pod === undefined && vf.hasDriver) {
        vf.hasDriver = false
        Object.assign(world.vf(vfAddressAt(vf)), { driver: undefined })
      }
    },
    function bind(vf) {
      if (vf.isThere && !vf.hasDriver) {
        vf.hasDriver = true
        Object.assign(world.vf(vfAddressAt(vf)), { driver: vf.pf === 0 ? 'igbvf' : 'ablevf' })
      }
    },
    function remove(vf) {
      const card = world.cards[vf.pf]
      // The kernel makes and removes VFs from the end.
      if (card?.vfs.at(-1)?.index === vf.index && vf.hasDriver && vf.pod === undefined) {
        vf.isThere = false
        removed.set(vfAddressAt(vf), world.vf(vfAddressAt(vf)))
        card.vfs.pop()
      }
    },
    function make(vf) {
      const old = removed.get(vfAddressAt(vf))
      if (old && world.cards[vf.pf]?.vfs.length === vf.index) {
        vf.isThere = true
        world.cards[vf.pf]?.vfs.push(old)
      }
    },
  ]

  for (let pod = 0; pod < PODS; pod += 1) {
    if (!world.namespaces.has(podPathAt(pod))) {
      addPod(world, podPathAt(pod))
    }
  }
  for (let step = 0; step < STEPS; step += 1) {
    const vf = pick(model)
    const action = pick(actions)
    if (vf && action) {
      await action(vf)
    }
    const { devices } = await takeInventory(host())
    const { pools } = dealOut(host().files, CONFS, devices)
    const seen = pools.flatMap(({ conf: { resource }, devices: own }) =>
      own.map(({ address, ailment }) => `${resource} ${address} ${ailment === undefined}`),
    )
    const expected = model
      .filter(({ isThere }) => isThere)
      .map((one) => `intel.com/${resourceOf(one)} ${vfAddressAt(one)} ${one.hasDriver}`)
    expect(seen.sort(), `step ${step}: ${action?.name}`).toEqual(expected.sort())
    expect(promisedDevices(host().files).size).toBe(model.filter(({ pod }) => pod !== undefined).length)
  }
})
