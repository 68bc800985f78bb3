import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { makeMachine } from '../../fakes/machine.js'
import { metricsMade } from '../../fakes/metrics-made.js'
import { KUBERNETES, type Manifest, objectsIn, only, rendered } from '../../manifests/rendered.js'
import { typeProblems } from '../../manifests/typed.js'
import { unknownNames } from '../../promql.js'
import { jsonOf, sriovctl } from '../operator/operator.js'

const OVERLAYS = readdirSync(join(KUBERNETES, 'overlays'))
/** An overlay of a user's own, with the component. */
const trial = mkdtempSync(join(KUBERNETES, 'overlays/trial-'))
mkdirSync(trial, { recursive: true })
writeFileSync(join(trial, 'kustomization.yaml'), 'resources: [../../base]\ncomponents: [../../monitoring]\n')
afterAll(() => rmSync(trial, { recursive: true }))
const ALL = [...OVERLAYS.map((name) => `overlays/${name}`), 'networks', `overlays/${trial.split('/').at(-1)}`]
const objects = new Map(ALL.map((folder) => [folder, rendered(folder)]))
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

describe.each(OVERLAYS.filter((name) => !name.startsWith('trial-')))('overlay %s', (name) => {
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

test('the component has the port at the address of the node', () => {
  const spec = podSpecOf(only(of(ALL.at(-1) ?? ''), 'DaemonSet'))
  const [, devicePlugin] = spec.containers
  expect(devicePlugin).toMatchObject({
    args: ['device-plugin', '--config', '/var/lib/sriov-cni/pools.json', '--metrics', '$(NODE_IP):9808'],
    livenessProbe: { httpGet: { port: 9808, path: '/healthz' } },
  })
  expect(devicePlugin).not.toHaveProperty('livenessProbe.httpGet.host')
})

test('the alerts ask for metrics and labels that there are', async () => {
  const { spec } = only(of(ALL.at(-1) ?? ''), 'PrometheusRule') as unknown as {
    spec: { groups: { rules: { alert: string; expr: string }[] }[] }
  }
  const made = await metricsMade()
  const rules = spec.groups.flatMap(({ rules: all }) => all).filter(({ expr }) => !expr.startsWith('up{'))
  expect(rules.length).toBeGreaterThan(4)
  for (const { alert, expr } of rules) {
    expect([alert, unknownNames(expr, made)]).toEqual([alert, []])
  }
})

test('the configuration of the base is right', async () => {
  const { data } = only(of('overlays/multus'), 'ConfigMap') as unknown as { data: Readonly<Record<string, string>> }
  expect(Object.keys(data)).toEqual(['policy.json', 'pools.json'])
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
    expect([file, jsonOf(ran)]).toEqual([file, expect.objectContaining({ problems: [], warnings: [] })])
    for (const { metadata } of objectsIn(text)) {
      const resource = metadata.annotations?.['k8s.v1.cni.cncf.io/resourceName']
      expect([undefined, ...resources]).toContain(resource)
    }
  }
})
