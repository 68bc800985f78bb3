import { expect } from 'vitest'
import { pfConf } from '../calls/choosing.js'
import { add, type Conf, del, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { sleep } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { VFS } from '../host/virtual-functions.js'
import { type Case, describeRuntime, OURS, podConfig, VF } from './cases.js'
import { removePod } from './client.js'
import { NOTED, verbs } from './noted.js'
import { DEFAULT_NETWORK } from './runtime.js'

/** How often kubelet asks (pkg/kubelet/kubelet.go: updateRuntimeUp). */
const PERIOD_MS = 5_000
/** What a test can take; SRIOV_STATUS_SECONDS says otherwise. */
const SECONDS = Number(process.env.SRIOV_STATUS_SECONDS ?? 20)

/** GC and STATUS are of CNI 1.1, which bookworm's IPAM plugins do not speak. */
const NEWEST: Conf = { cniVersion: '1.1.0', type: NOTED }
const ANY_VF = pfConf(NEWEST)
const ABSENT = '0000:09:00.0'

const CASES: readonly Case[] = [
  [
    'CNI 1.1: every question of kubelet is a STATUS; the node is ready while all VFs are taken',
    async (runtime) => {
      const { cri } = runtime
      await runtime.configure(DEFAULT_NETWORK, ANY_VF)
      const pod = await cri.runPodSandbox(podConfig('last'))
      const others = []
      for (const _vf of VFS.slice(1)) {
        const other = await newPod()
        await add(other, pfConf())
        others.push(other)
      }
      await expect(cri.runPodSandbox(podConfig('late'))).rejects.toMatchObject({
        details: expect.stringContaining('no VF of master ens1f0 is free; there are 7'),
      })
      verbs()
      const start = performance.now()
      let asked = 0
      while (performance.now() - start < SECONDS * 1_000) {
        expect(await cri.status()).toMatchObject({ RuntimeReady: undefined, NetworkReady: undefined })
        asked += 1
        await sleep(start + asked * PERIOD_MS - performance.now())
      }
      expect(verbs()).toEqual(Array.from({ length: asked }, () => 'STATUS'))
      for (const other of others) {
        await del(other, pfConf())
      }
      await removePod(cri, pod)
    },
  ],
  [
    'CNI 1.1: the node is not ready while the configured device is not there; no GC and no CHECK is called',
    async (runtime) => {
      const { cri } = runtime
      await runtime.configure(DEFAULT_NETWORK, netConf(VF, { ...NEWEST, deviceID: ABSENT }))
      expect((await cri.status()).NetworkReady).toContain(`there is no PCI device ${ABSENT} on this node`)
      await runtime.configure(DEFAULT_NETWORK, netConf(VF, NEWEST))
      const pod = await cri.runPodSandbox(podConfig('asked'))
      await runtime.kill()
      await runtime.restart()
      await removePod(cri, pod)
      // GC is for what a runtime has lost: containerd 2.1 leaves that to nobody. CRI-O calls both (crio.test.ts).
      expect(new Set(verbs())).toEqual(new Set(['STATUS', 'ADD', 'DEL']))
      await runtime.configure(DEFAULT_NETWORK, OURS)
    },
  ],
]

describeRuntime('containerd 2', untouchedHost(), CASES)
