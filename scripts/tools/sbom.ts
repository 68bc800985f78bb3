/**
 * Makes the bill of materials of a release (CycloneDX 1.5) from what `npm sbom` says of the lock file, on stdin: the same
 * text from the same commit, of the Node.js packages the one that is in the release, and the libraries that come from the
 * builder's distribution.
 * Usage: sbom NAME SECONDS NODE-PACKAGE [LIBRARY=PACKAGE=VERSION...]   (SECONDS: of the commit, since 1970)
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

interface Component {
  readonly type: string
  readonly name: string
  readonly [key: string]: unknown
}

interface Dependency {
  /** NAME@VERSION, as those in `dependsOn`. */
  readonly ref: string
  readonly dependsOn: readonly string[]
}

interface Bom {
  readonly metadata: { readonly component: Component; readonly [key: string]: unknown }
  readonly components: readonly Component[]
  readonly dependencies: readonly Dependency[]
  readonly [key: string]: unknown
}

const MILLISECONDS = 1000

/** One component for each library of the release. @throws TypeError for a word that is no LIBRARY=PACKAGE=VERSION */
function libraryOf(word: string): Component {
  const [library, name, version] = word.split('=')
  if (!library || !name || !version) {
    throw new TypeError(`'${word}' is not LIBRARY=PACKAGE=VERSION`)
  }
  return {
    'bom-ref': `${name}@${version}/${library}`,
    type: 'library',
    name,
    version,
    purl: `pkg:deb/debian/${name}@${encodeURIComponent(version)}`,
    properties: [{ name: 'file', value: library }],
  }
}

/** A serial number that is the same for the same content. */
function serialOf(content: string): string {
  const hex = createHash('sha256').update(content).digest('hex')
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

export interface Release {
  readonly name: string
  /** When its commit was made, since 1970. */
  readonly seconds: number
  /** The npm package of its Node.js. */
  readonly nodePackage: string
  /** LIBRARY=PACKAGE=VERSION */
  readonly libraries: readonly string[]
}

/** The bill of a release. npm names it after the folder of the checkout, the moment and itself. */
export function billOf(bom: Bom, { name, seconds, nodePackage, libraries }: Release): Bom {
  const { component } = bom.metadata
  const isInside = (packageName = '') => !packageName.startsWith('node-linux-') || packageName === nodePackage
  const isRefInside = (ref: string) => isInside(ref.split('@')[0])
  const bill: Bom = {
    ...bom,
    metadata: {
      timestamp: new Date(seconds * MILLISECONDS).toISOString(),
      component: { ...component, type: 'application', name },
    },
    components: [...bom.components.filter((one) => isInside(one.name)), ...libraries.map(libraryOf)],
    dependencies: bom.dependencies
      .filter(({ ref }) => isRefInside(ref))
      .map((one) => ({ ...one, dependsOn: one.dependsOn.filter(isRefInside) })),
  }
  return { ...bill, serialNumber: serialOf(JSON.stringify({ ...bill, serialNumber: '' })) }
}

if (require.main === module) {
  const [, , name = '', seconds = '', nodePackage = '', ...libraries] = process.argv
  const bill = billOf(JSON.parse(readFileSync(0, 'utf8')), { name, seconds: Number(seconds), nodePackage, libraries })
  process.stdout.write(`${JSON.stringify(bill, null, 2)}\n`)
}
