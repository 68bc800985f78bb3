/**
 * Turns an OCI layout with one image for each architecture, tagged with its name, into one with a single index of them
 * (opencontainers/image-spec, image-layout.md and image-index.md).
 * Usage: image-index LAYOUT NAME SECONDS   (NAME: with its tag; SECONDS: of the commit, since 1970)
 */
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
}

interface Index {
  readonly manifests: readonly Descriptor[]
}

const INDEX = 'application/vnd.oci.image.index.v1+json'
const REF = 'org.opencontainers.image.ref.name'
const CREATED = 'org.opencontainers.image.created'
/** Where containerd takes the whole name from. */
const CONTAINERD_NAME = 'io.containerd.image.name'
const MILLISECONDS = 1000

/** An image of the layout as an entry of the index. @throws Error for one that is not tagged with an architecture */
function entryOf({ annotations, ...descriptor }: Descriptor): object {
  const architecture = annotations?.[REF]
  if (architecture === undefined) {
    throw new Error(`${descriptor.digest} has no tag`)
  }
  return { ...descriptor, platform: { architecture, os: 'linux' } }
}

/** Writes the index as a blob, and makes it the only thing that the layout names. @throws Error */
export function makeIndex(layout: string, name: string, seconds: number): void {
  const file = join(layout, 'index.json')
  const { manifests } = JSON.parse(readFileSync(file, 'utf8')) as Index
  const created = new Date(seconds * MILLISECONDS).toISOString()
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: INDEX,
    manifests: manifests.map(entryOf),
    annotations: { [CREATED]: created },
  })
  const digest = createHash('sha256').update(text).digest('hex')
  writeFileSync(join(layout, 'blobs/sha256', digest), text)
  const tag = name.slice(name.lastIndexOf(':') + 1)
  const annotations = { [REF]: tag, [CONTAINERD_NAME]: `localhost/${name}`, [CREATED]: created }
  const entry = { mediaType: INDEX, digest: `sha256:${digest}`, size: Buffer.byteLength(text), annotations }
  writeFileSync(file, JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests: [entry] }))
}

if (require.main === module) {
  const [layout = '', name = '', seconds = ''] = process.argv.slice(2)
  makeIndex(layout, name, Number(seconds))
}
