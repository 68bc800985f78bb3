/** The pod of a DaemonSet as kubelet runs it on a node: containers by CRI, made from the manifest and nothing else. */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { type Manifest, only } from '../../manifests/rendered.js'
import { until } from '../host/process.js'
import type { ContainerConfig, Cri, PodConfig, Ran } from './client.js'
import { ContainerState, MountPropagation, NamespaceMode, SecurityProfile_ProfileType } from './generated/api_pb.js'

type ProfileType = 'RuntimeDefault' | 'Unconfined'

interface Probe {
  readonly exec: { readonly command: readonly string[] }
  readonly periodSeconds?: number
  readonly failureThreshold?: number
}

interface ContainerSpec {
  readonly name: string
  readonly image: string
  readonly args?: readonly string[]
  readonly env?: readonly { readonly name: string; readonly value: string }[]
  readonly startupProbe?: Probe
  readonly livenessProbe?: Probe
  readonly securityContext: {
    readonly readOnlyRootFilesystem: boolean
    readonly allowPrivilegeEscalation: boolean
    readonly capabilities: { readonly drop: string[]; readonly add?: string[] }
  }
  readonly volumeMounts: readonly {
    readonly name: string
    readonly mountPath: string
    readonly readOnly?: boolean
    readonly mountPropagation?: 'HostToContainer'
  }[]
}

interface PodSpec {
  readonly initContainers?: readonly ContainerSpec[]
  readonly containers: readonly ContainerSpec[]
  readonly hostNetwork: boolean
  readonly hostPID: boolean
  readonly securityContext: {
    readonly runAsUser: number
    readonly seccompProfile?: { readonly type: ProfileType }
    readonly appArmorProfile?: { readonly type: ProfileType }
  }
  readonly terminationGracePeriodSeconds?: number
  readonly volumes: readonly {
    readonly name: string
    readonly hostPath?: { readonly path: string; readonly type?: 'DirectoryOrCreate' }
    readonly configMap?: { readonly name: string }
  }[]
}

/** What kubelet asks for every container that is not privileged (pkg/securitycontext/util.go). */
const MASKED = [
  'asound',
  'acpi',
  'interrupts',
  'kcore',
  'keys',
  'latency_stats',
  'timer_list',
  'timer_stats',
  'sched_debug',
  'scsi',
]
const READ_ONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger']
const PODS = '/var/lib/kubelet/pods'
const LOGS = '/run/lab-pod-logs'

export interface NodePod {
  /** Runs a command in a container, as a probe does. */
  exec(container: string, ...command: string[]): Promise<Ran>
  /** Runs the probes of all containers once, as often as a startup probe allows. @throws Error when one fails */
  probe(): Promise<void>
  /** What a container has said. */
  log(container: string): string
  /** The process of a container, as the host sees it. */
  isRunning(container: string): Promise<boolean>
  /** Ends the containers as the deletion of the pod does. */
  stop(): Promise<void>
}

/** A ConfigMap volume, with the links that kubelet makes. */
function writeConfigMap(folder: string, { data }: { readonly data: Readonly<Record<string, string>> }): void {
  mkdirSync(`${folder}/..2026`, { recursive: true })
  symlinkSync('..2026', `${folder}/..data`)
  for (const [name, text] of Object.entries(data)) {
    writeFileSync(`${folder}/..2026/${name}`, text)
    symlinkSync(`..data/${name}`, `${folder}/${name}`)
  }
}

/** Where a volume is on the host. */
function sourceOf(volume: PodSpec['volumes'][number], uid: string, objects: readonly Manifest[]): string {
  const { hostPath, configMap } = volume
  if (hostPath) {
    if (hostPath.type === 'DirectoryOrCreate') {
      mkdirSync(hostPath.path, { recursive: true })
    }
    return hostPath.path
  }
  const found = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap?.name)
  const folder = `${PODS}/${uid}/volumes/kubernetes.io~configmap/${volume.name}`
  writeConfigMap(folder, found as unknown as { readonly data: Readonly<Record<string, string>> })
  return folder
}

/** Without a profile in the manifest, kubelet asks for none with seccomp, and for the runtime's with AppArmor. */
const profile = (type: ProfileType) => ({ profileType: SecurityProfile_ProfileType[type] })

/** Runs the DaemonSet's pod: the init containers one after the other, then the others. @throws Error when one of the first fails */
export async function startNodePod(cri: Cri, objects: readonly Manifest[], image?: string): Promise<NodePod> {
  const spec = (only(objects, 'DaemonSet') as unknown as { spec: { template: { spec: PodSpec } } }).spec.template.spec
  const uid = `node-pod-${process.hrtime.bigint()}`
  const logs = `${LOGS}/${uid}`
  mkdirSync(logs, { recursive: true })
  const namespaceOptions = {
    network: spec.hostNetwork ? NamespaceMode.NODE : NamespaceMode.POD,
    pid: spec.hostPID ? NamespaceMode.NODE : NamespaceMode.CONTAINER,
    ipc: NamespaceMode.POD,
  }
  const common = {
    namespaceOptions,
    runAsUser: { value: BigInt(spec.securityContext.runAsUser) },
    seccomp: profile(spec.securityContext.seccompProfile?.type ?? 'Unconfined'),
    apparmor: profile(spec.securityContext.appArmorProfile?.type ?? 'RuntimeDefault'),
  }
  const pod: PodConfig = {
    metadata: { name: 'sriov-cni', uid, namespace: 'kube-system', attempt: 0 },
    logDirectory: logs,
    linux: { securityContext: common },
  }
  const sources = new Map(spec.volumes.map((volume) => [volume.name, sourceOf(volume, uid, objects)]))
  const configOf = (container: ContainerSpec): ContainerConfig => ({
    metadata: { name: container.name, attempt: 0 },
    image: { image: image ?? container.image },
    args: [...(container.args ?? [])],
    envs: (container.env ?? []).map(({ name, value }) => ({ key: name, value })),
    logPath: `${container.name}.log`,
    mounts: container.volumeMounts.map((mount) => ({
      containerPath: mount.mountPath,
      hostPath: sources.get(mount.name) ?? '',
      readonly: mount.readOnly ?? false,
      propagation:
        mount.mountPropagation === 'HostToContainer'
          ? MountPropagation.PROPAGATION_HOST_TO_CONTAINER
          : MountPropagation.PROPAGATION_PRIVATE,
    })),
    linux: {
      securityContext: {
        ...common,
        capabilities: {
          addCapabilities: container.securityContext.capabilities.add ?? [],
          dropCapabilities: container.securityContext.capabilities.drop,
        },
        noNewPrivs: !container.securityContext.allowPrivilegeEscalation,
        readonlyRootfs: container.securityContext.readOnlyRootFilesystem,
        maskedPaths: MASKED.map((name) => `/proc/${name}`),
        readonlyPaths: READ_ONLY.map((name) => `/proc/${name}`),
      },
    },
  })
  const log = (container: string) =>
    readFileSync(`${logs}/${container}.log`, 'utf8')
      .split('\n')
      .map((line) => line.split(' ').slice(3).join(' '))
      .join('\n')
  const sandbox = await cri.runPodSandbox(pod)
  const begin = async (container: ContainerSpec): Promise<string> => {
    const id = await cri.createContainer(sandbox, configOf(container), pod)
    await cri.startContainer(id)
    return id
  }
  for (const container of spec.initContainers ?? []) {
    const id = await begin(container)
    const status = () => cri.containerStatus(id)
    await until(
      `the init container ${container.name} has ended`,
      async () => (await status()).state === ContainerState.CONTAINER_EXITED,
    )
    const { exitCode } = await status()
    if (exitCode !== 0) {
      throw new Error(`the init container ${container.name} ended with ${exitCode}: ${log(container.name)}`)
    }
  }
  const ids = new Map<string, string>()
  for (const container of spec.containers) {
    ids.set(container.name, await begin(container))
  }
  return {
    exec: (container, ...command) => cri.execSync(ids.get(container) ?? '', ...command),
    async probe() {
      for (const { name, startupProbe, livenessProbe } of spec.containers) {
        for (const one of [startupProbe, livenessProbe]) {
          const { periodSeconds = 10, failureThreshold = 3 } = one ?? {}
          await until(
            `${name} passes its probe`,
            async () => !one || (await cri.execSync(ids.get(name) ?? '', ...one.exec.command)).exitCode === 0,
            periodSeconds * failureThreshold * 1_000,
          )
        }
      }
    },
    log,
    isRunning: async (container) =>
      (await cri.containerStatus(ids.get(container) ?? '')).state === ContainerState.CONTAINER_RUNNING,
    async stop() {
      await Promise.all([...ids.values()].map((id) => cri.stopContainer(id, spec.terminationGracePeriodSeconds ?? 30)))
      await cri.stopPodSandbox(sandbox)
      await cri.removePodSandbox(sandbox)
      rmSync(`${PODS}/${uid}`, { recursive: true, force: true })
      rmSync(logs, { recursive: true, force: true })
    },
  }
}
