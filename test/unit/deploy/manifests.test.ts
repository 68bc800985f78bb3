import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { YOUNG_MS } from '../../../src/metrics/gc-candidates.js'
import { CLUSTER_FOLDER } from '../../../src/policy/policy.js'
import { makeMachine } from '../../fakes/machine/machine.js'
import { metricsMade } from '../../fakes/metrics-made.js'
import { KUBERNETES, KUSTOMIZE, type Manifest, objectsIn, only, rendered } from '../../manifests/rendered.js'
import { typeProblems } from '../../manifests/typed.js'
import { unknownNames } from '../../promql.js'
import { jsonOf, sriovctl } from '../operator/operator.js'

const OVERLAYS = readdirSync(join(KUBERNETES, 'overlays'))
/** Those that the component for metrics fits. */
const MONITORED = ['multus', 'openshift', 'peers', 'talos']
/** Overlays of a user's own, with the component. */
const trials = new Map(
  MONITORED.map((name) => {
    const folder = mkdtempSync(join(tmpdir(), 'sriov-overlay-'))
    const from = (path: string) => relative(folder, join(KUBERNETES, path))
    const text = `resources: [${from(`overlays/${name}`)}]\ncomponents: [${from('monitoring')}]\n`
    writeFileSync(join(folder, 'kustomization.yaml'), text)
    return [name, folder] as const
  }),
)
afterAll(() => [...trials.values()].forEach((folder) => void rmSync(folder, { recursive: true })))
const trialOf = (name: string): string => trials.get(name) ?? ''
const ALL = [...OVERLAYS.map((name) => `overlays/${name}`), 'networks', ...MONITORED.map(trialOf)]
const missing = existsSync(KUSTOMIZE) ? undefined : 'needs kustomize: scripts/prepare --tests'
const objects = new Map(missing === undefined ? ALL.map((folder) => [folder, rendered(folder)]) : [])
const of = (folder: string) => objects.get(folder) ?? []

interface Container {
  readonly name: string
  readonly image: string
  readonly args: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value?: string }[]
  readonly securityContext: {
    readonly privileged?: boolean
    readonly capabilities: { readonly drop: string[]; readonly add?: string[] }
  }
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[]
}
interface PodSpec {
  readonly initContainers?: readonly Container[]
  readonly containers: readonly Container[]
  readonly volumes: readonly { readonly name: string; readonly hostPath?: { readonly path: string } }[]
}
const podSpecOf = (daemonSet: Manifest): PodSpec =>
  (daemonSet as unknown as { spec: { template: { spec: PodSpec } } }).spec.template.spec
const containersOf = (folder: string): readonly Container[] => {
  const spec = podSpecOf(only(of(folder), 'DaemonSet'))
  return [...(spec.initContainers ?? []), ...spec.containers]
}

describe.skipIf(missing)(`deploy/kubernetes (${missing ?? 'can run here'})`, () => {
  test('every object is one of the API, without a key that it does not know', { timeout: 120_000 }, () => {
    expect(typeProblems([...objects.values()].flat())).toEqual([])
  })

  test('that check finds keys that are not known, wrong values and wrong kinds', { timeout: 120_000 }, () => {
    const daemonSet = JSON.stringify(only(of('overlays/plain'), 'DaemonSet'))
    const wrong = [
      daemonSet.replace('"hostPID"', '"hostPid"'),
      daemonSet.replace('"hostPID":true', '"hostPID":"yes"'),
      daemonSet.replace('"apps/v1"', '"apps/v1beta1"'),
    ].map((text) => JSON.parse(text) as Manifest)
    for (const one of wrong) {
      expect(typeProblems([one])).not.toEqual([])
    }
  })

  describe.each(OVERLAYS)('overlay %s', (name) => {
    const folder = `overlays/${name}`

    test('runs nothing privileged, and every right is added by name', () => {
      for (const { securityContext } of containersOf(folder)) {
        expect(securityContext).toMatchObject({ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false })
        expect(securityContext.privileged).toBeUndefined()
        expect(securityContext.capabilities.drop).toEqual(['ALL'])
      }
    })

    test('mounts volumes that are there, and each container finds the same folder of plugins', () => {
      const { volumes } = podSpecOf(only(of(folder), 'DaemonSet'))
      const binDirs = new Set<string>()
      for (const { env = [], volumeMounts } of containersOf(folder)) {
        for (const mount of volumeMounts) {
          const volume = volumes.find((one) => one.name === mount.name)
          expect(volume, mount.name).toBeDefined()
          // What is not the whole host or the ConfigMap lies in the container where it lies on the host.
          if (volume?.hostPath && mount.name !== 'host') {
            expect(mount.mountPath).toBe(volume.hostPath.path)
          }
        }
        env.filter((one) => one.name === 'SRIOV_BIN_DIR').forEach(({ value = '' }) => void binDirs.add(value))
      }
      expect(binDirs.size).toBe(1)
      const bin = volumes.find((one) => one.name === 'bin')
      expect([undefined, ...binDirs]).toContain(bin?.hostPath?.path)
    })

    test('has one image, of the version of this repository', () => {
      const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
      expect([...new Set(containersOf(folder).map(({ image }) => image))]).toEqual([`localhost/sriov-cni:${version}`])
    })
  })

  test.each(MONITORED)(
    'the component for metrics fits %s: the port at the address of the node, found in any namespace',
    (name) => {
      const trial = of(trialOf(name))
      const devicePlugin = podSpecOf(only(trial, 'DaemonSet')).containers.find((one) => one.name === 'device-plugin')
      expect(devicePlugin).toMatchObject({
        args: ['device-plugin', '--config', '/var/lib/sriov-cni/pools.json', '--metrics', '$(NODE_IP):9808'],
        ports: [{ name: 'metrics', containerPort: 9808 }],
      })
      expect(devicePlugin?.env?.map((one) => one.name)).toEqual(['NODE_IP', 'SRIOV_BIN_DIR'])
      expect(only(trial, 'PodMonitor')).toMatchObject({
        metadata: { namespace: 'kube-system' },
        spec: { namespaceSelector: { any: true }, podMetricsEndpoints: [{ port: 'metrics', honorLabels: true }] },
      })
      expect(only(trial, 'PrometheusRule').metadata.namespace).toBe('kube-system')
      expect(only(trial, 'DaemonSet').metadata.namespace).toBe(name === 'openshift' ? 'sriov-cni' : 'kube-system')
    },
  )

  test('accounts that OpenShift admits are those of the DaemonSets, with every capability', () => {
    const admitted = only(of('overlays/openshift'), 'SecurityContextConstraints') as unknown as {
      users: readonly string[]
      allowedCapabilities: readonly string[]
    }
    for (const folder of ['overlays/openshift', 'overlays/openshift-uninstall']) {
      const { namespace, name } = only(of(folder), 'ServiceAccount').metadata
      expect(admitted.users).toContain(`system:serviceaccount:${namespace}:${name}`)
      expect(only(of(folder), 'DaemonSet').metadata.namespace).toBe(namespace)
      for (const { securityContext } of containersOf(folder)) {
        expect(admitted.allowedCapabilities).toEqual(expect.arrayContaining(securityContext.capabilities.add ?? []))
      }
    }
  })

  test('no overlay brings networks: who may name one in a pod gets its device', () => {
    for (const name of OVERLAYS) {
      expect(of(`overlays/${name}`).filter(({ kind }) => kind === 'NetworkAttachmentDefinition')).toEqual([])
    }
  })

  test('the alerts ask for metrics and labels that there are', async () => {
    const { spec } = only(of(trialOf('multus')), 'PrometheusRule') as unknown as {
      spec: { groups: { rules: { alert: string; expr: string }[] }[] }
    }
    const made = await metricsMade()
    const rules = spec.groups.flatMap(({ rules: all }) => all).filter(({ expr }) => !expr.startsWith('up{'))
    expect(rules.length).toBeGreaterThan(4)
    for (const { alert, expr } of rules) {
      expect([alert, unknownNames(expr, made)]).toEqual([alert, []])
    }
  })

  test.each(['multus', 'openshift'])('the configuration of %s is right', async (name) => {
    const { data } = only(of(`overlays/${name}`), 'ConfigMap') as unknown as { data: Readonly<Record<string, string>> }
    expect(Object.keys(data).sort()).toEqual(['policy.json', 'pools.json'])
    for (const [file, text] of Object.entries(data)) {
      const world = makeMachine()
      world.files.set(`/tmp/${file}`, text)
      const ran = await sriovctl(world, ['validate', '--as', file.replace('.json', ''), `/tmp/${file}`])
      expect(ran).toMatchObject({ exitCode: 0 })
    }
  })

  test('every network is right, and its resource is one of the pools', async () => {
    const { data } = only(of('overlays/multus'), 'ConfigMap') as unknown as { data: Readonly<Record<string, string>> }
    const { resourceList } = JSON.parse(data['pools.json'] ?? '') as {
      resourceList: readonly { resourcePrefix: string; resourceName: string }[]
    }
    const resources = resourceList.map((one) => `${one.resourcePrefix}/${one.resourceName}`)
    for (const file of readdirSync(join(KUBERNETES, 'networks')).filter((name) => name !== 'kustomization.yaml')) {
      const text = readFileSync(join(KUBERNETES, 'networks', file), 'utf8')
      const world = makeMachine()
      world.files.set(`/tmp/${file}`, text)
      const ran = await sriovctl(world, ['validate', `/tmp/${file}`, '--json'])
      const warnings = text.includes('NetworkAttachmentDefinition')
        ? []
        : [expect.objectContaining({ problem: 'there is no configuration of this plugin' })]
      expect([file, jsonOf(ran)]).toEqual([file, expect.objectContaining({ problems: [], warnings })])
      for (const { metadata } of objectsIn(text)) {
        const resource = metadata.annotations?.['k8s.v1.cni.cncf.io/resourceName']
        expect([undefined, ...resources]).toContain(resource)
      }
    }
  })

  test("a configuration of a user's own is merged into the ConfigMap, as docs/kubernetes.md says", () => {
    const folder = mkdtempSync(join(tmpdir(), 'sriov-overlay-'))
    try {
      writeFileSync(join(folder, 'pfs.json'), '{"pfs":[]}')
      const base = relative(folder, join(KUBERNETES, 'overlays/multus'))
      const map = '{ name: sriov-cni, namespace: kube-system, behavior: merge, files: [pfs.json] }'
      writeFileSync(join(folder, 'kustomization.yaml'), `resources: [${base}]\nconfigMapGenerator:\n  - ${map}\n`)
      const { data } = only(rendered(folder), 'ConfigMap') as unknown as { data: object }
      expect(Object.keys(data).sort()).toEqual(['pfs.json', 'policy.json', 'pools.json'])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('the folder of the cluster and the age of what the janitor takes are the same everywhere', () => {
    const entry = readFileSync('scripts/image.d/entry', 'utf8')
    expect(entry).toContain(`\nconf_dir=${CLUSTER_FOLDER}\n`)
    const { volumes } = podSpecOf(only(of('overlays/multus'), 'DaemonSet'))
    expect(volumes.find(({ name }) => name === 'conf-dir')?.hostPath?.path).toBe(CLUSTER_FOLDER)
    const age = `--older-than ${YOUNG_MS / 60_000}m`
    expect(entry).toContain(age)
    expect(readFileSync('deploy/sriov-gc.service', 'utf8')).toContain(age)
  })
})
