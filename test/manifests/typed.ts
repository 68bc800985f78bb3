/** Checks objects against the types of the Kubernetes API: types of values, and keys that are not known. */
import ts from 'typescript'
import type { Manifest } from './rendered.js'

/** OpenShift's own type, which no package has (openshift/api, security/v1/types.go). */
const OPENSHIFT = `
type Strategy = { type: 'RunAsAny' | 'MustRunAs' | 'MustRunAsRange' | 'MustRunAsNonRoot' }
interface ISecurityContextConstraints {
  apiVersion: 'security.openshift.io/v1'
  kind: 'SecurityContextConstraints'
  metadata: { name: string; labels?: Record<string, string> }
  users?: string[]
  groups?: string[]
  allowPrivilegedContainer: boolean
  allowPrivilegeEscalation?: boolean
  allowHostDirVolumePlugin: boolean
  allowHostNetwork: boolean
  allowHostPID: boolean
  allowHostIPC: boolean
  allowHostPorts: boolean
  readOnlyRootFilesystem: boolean
  allowedCapabilities: string[] | null
  defaultAddCapabilities: string[] | null
  requiredDropCapabilities: string[] | null
  fsGroup?: Strategy
  runAsUser?: Strategy
  seLinuxContext?: Strategy
  supplementalGroups?: Strategy
  seccompProfiles?: string[]
  volumes: string[]
}`

/** That of Multus (k8snetworkplumbingwg, its CustomResourceDefinition). */
const MULTUS = `
interface INetworkAttachmentDefinition {
  apiVersion: 'k8s.cni.cncf.io/v1'
  kind: 'NetworkAttachmentDefinition'
  metadata: { name: string; namespace?: string; annotations?: Record<string, string> }
  spec: { config: string }
}`

/** Where the type of an object is from; nothing for those above. */
function importOf({ apiVersion, kind }: Manifest): string {
  if (['security.openshift.io/v1', 'k8s.cni.cncf.io/v1'].includes(apiVersion)) {
    return ''
  }
  const library = apiVersion.startsWith('monitoring.coreos.com/')
    ? '@kubernetes-models/prometheus-operator'
    : 'kubernetes-models'
  return `import type { I${kind} } from '${library}/${apiVersion}'\n`
}

/** Each object as a module that only compiles when the object is right. */
const modulesOf = (objects: readonly Manifest[]): ReadonlyMap<string, string> =>
  new Map(
    objects.map((object, i) => [
      `${process.cwd()}/manifest-${i}.ts`,
      `${importOf(object)}${OPENSHIFT}${MULTUS}\nexport const object: I${object.kind} = ${JSON.stringify(object, null, 2)}\n`,
    ]),
  )

/** What is wrong with objects, as sentences of the compiler; empty when nothing is. */
export function typeProblems(objects: readonly Manifest[]): readonly string[] {
  const modules = modulesOf(objects)
  const options: ts.CompilerOptions = {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
  }
  const host = ts.createCompilerHost(options)
  const { getSourceFile, fileExists } = host
  host.fileExists = (path) => modules.has(path) || fileExists(path)
  host.getSourceFile = (path, ...rest) => {
    const text = modules.get(path)
    return text === undefined ? getSourceFile(path, ...rest) : ts.createSourceFile(path, text, ts.ScriptTarget.ESNext)
  }
  const program = ts.createProgram([...modules.keys()], options, host)
  return ts.getPreEmitDiagnostics(program).map(({ messageText, file, start }) => {
    const line = file && start !== undefined ? file.text.slice(start).split('\n', 1)[0] : ''
    return `${ts.flattenDiagnosticMessageText(messageText, ' ')} at ${line}`
  })
}
