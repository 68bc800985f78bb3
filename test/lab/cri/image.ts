/** Images without a registry: packed here, given to containerd as `docker save` writes them. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { must, shell } from '../host/process.js'

export interface ImageSource {
  /** With registry and tag: `lab.invalid/pause:1`. */
  readonly name: string
  /** The folder that becomes the root of the image. */
  readonly root: string
  readonly entrypoint?: readonly string[]
  readonly cmd?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  readonly user?: string
  readonly workingDir?: string
}

const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex')

/** Packs an image of one layer. Returns the archive, below /run. */
async function packImage({ name, root, entrypoint, cmd, env, user, workingDir }: ImageSource): Promise<string> {
  const folder = mkdtempSync('/run/lab-image-')
  await must('tar', '-C', root, '-cf', `${folder}/layer.tar`, '--sort=name', '--numeric-owner', '.')
  const config = JSON.stringify({
    architecture: 'amd64',
    os: 'linux',
    config: {
      ...(entrypoint && { Entrypoint: entrypoint }),
      ...(cmd && { Cmd: cmd }),
      ...(user !== undefined && { User: user }),
      ...(workingDir !== undefined && { WorkingDir: workingDir }),
      Env: Object.entries({ PATH: '/usr/sbin:/usr/bin:/sbin:/bin', ...env }).map(([key, value]) => `${key}=${value}`),
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(readFileSync(`${folder}/layer.tar`))}`] },
  })
  writeFileSync(`${folder}/${sha256(config)}.json`, config)
  const manifest = [{ Config: `${sha256(config)}.json`, RepoTags: [name], Layers: ['layer.tar'] }]
  writeFileSync(`${folder}/manifest.json`, JSON.stringify(manifest))
  await shell(`cd ${folder} && tar -cf ../${folder.slice('/run/'.length)}.tar manifest.json *.json layer.tar`)
  rmSync(folder, { recursive: true })
  return `${folder}.tar`
}

/** Gives an image to the containerd that runs, for its pods. `ctr`: the program of that containerd's version. */
export async function importImage(source: ImageSource, ctr = 'ctr'): Promise<void> {
  const archive = await packImage(source)
  try {
    await must(ctr, '-n', 'k8s.io', 'images', 'import', archive)
  } finally {
    rmSync(archive)
  }
}

export const PAUSE_IMAGE = 'lab.invalid/pause:1'

/** What every pod's sandbox runs; with a shell, so that containers of pods can run it as well. */
export async function importPause(ctr = 'ctr'): Promise<void> {
  const root = mkdtempSync('/run/lab-pause-')
  mkdirSync(`${root}/bin`)
  await shell(`cd ${root} && cp /bin/busybox bin/ && for name in sh sleep ip cat; do ln -s busybox bin/$name; done
    mkdir -p proc sys dev etc tmp run`)
  await importImage({ name: PAUSE_IMAGE, root, entrypoint: ['/bin/sleep', '2147483647'] }, ctr)
  rmSync(root, { recursive: true })
}
