import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { count } from '../../counts.js'
import { type Daemon, type Installation, install, type Output, startDaemon } from '../daemon/installation.js'
import { makeNode, type TestNode } from '../daemon/node.js'
import { missingCapability, TestNamespaces } from '../netns.js'
import { type Attack, attacksOn } from './attacks.js'
import { forgedGoRecord, forgedIntelRecord, forgedRecord, makeTenant, TENANT_UID, type Tenant } from './tenant.js'

const missing = missingCapability()
const LIMIT = { timeout: 300_000 }
const VICTIM = 'as it was\n'
const namespaces = new TestNamespaces()

let installation: Installation
let node: TestNode
let tenant: Tenant
let daemon: Daemon
let victim = ''
let pod = ''
let device = ''

beforeAll(async () => {
  if (!missing) {
    installation = await install()
    node = await makeNode(installation)
    daemon = await startDaemon(installation, { within: node.within })
    tenant = makeTenant()
    pod = namespaces.add().path
    device = node.devices[0] ?? ''
    victim = join(installation.folder, 'victim')
    writeFileSync(victim, VICTIM)
    symlinkSync(victim, join(tenant.folder, 'link-to-victim'))
    linkSync(victim, join(tenant.folder, 'hard-link-to-victim'))
    symlinkSync(tenant.program, join(tenant.folder, 'link-to-program'))
    mkdirSync(join(installation.folder, 'devinfo/devinfo'))
    writeFileSync(join(installation.folder, 'devinfo/devinfo/another-pod.json'), VICTIM)
  }
}, 120_000)

afterAll(async () => {
  await daemon?.stop()
  node?.remove()
  namespaces.removeAll()
  tenant?.remove()
  installation?.remove()
})

beforeEach(() => tenant?.forget())
afterEach(() => node?.setPolicy())

const state = (name = '') => join(installation.folder, 'state', name)

/** Everything in the folders that the plugin writes, but locks and the journal of the calls: names and texts. */
function filesOf(folder: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    if (entry.isFile() && !/\.lock$|\/\.journal(\.1)?$/.test(path)) {
      found[path] = readFileSync(path, 'utf8')
    }
  }
  return found
}

const WAYS = [
  ['by the resident process', true],
  ['by a process of its own', false],
] as const

/** Sends an attack. A tenant chooses neither the environment nor the way. */
function send({ conf, args, container = 'evil' }: Attack, verb: string, isResident: boolean): Promise<Output> {
  count('attacks')
  return node.call(verb, {
    container,
    netns: verb === 'GC' ? '' : pod,
    device,
    conf,
    env: {
      ...(args !== undefined && { CNI_ARGS: args }),
      ...(!isResident && { SRIOV_CNI_SOCKET: join(installation.folder, 'no.sock') }),
    },
  }).done
}

/** Nothing of the tenant's was run, and nothing but what belongs to the plugin was written. */
function expectUnharmed(before: Record<string, string>): void {
  expect(tenant.wasRun()).toBe(false)
  expect(readFileSync(victim, 'utf8')).toBe(VICTIM)
  expect(existsSync('/etc/cron.d/sriov')).toBe(false)
  expect(filesOf(installation.folder)).toEqual(before)
  expect(node.interfaces()).toEqual(['vf0', 'vf1', 'vf2', 'vf3'])
}

describe.skipIf(missing).each(WAYS)(
  `a configuration that a tenant wrote, %s (${missing ?? 'can run here'})`,
  (_how, isResident) => {
    test('gets no file, no program and no module', LIMIT, async () => {
      for (const attack of attacksOn(tenant, victim)) {
        const before = filesOf(installation.folder)
        for (const verb of ['ADD', 'CHECK', 'DEL'] as const) {
          const { stdout, exitCode } = await send(attack, verb, isResident)
          const isRefused = exitCode !== 0
          // A name that does not count is no error: it is as if it were not there.
          if (verb === 'ADD' && !attack.what.includes('without the capability')) {
            expect([attack.what, isRefused, stdout]).toEqual([attack.what, true, expect.stringContaining('"code"')])
          }
        }
        expectUnharmed(before)
      }
    })

    test.each([
      ['ours', () => forgedRecord('evil', device, join(tenant.folder, 'plugins'), 'evil')],
      [
        'ours, with a path as the name of a plugin',
        () => forgedRecord('evil', device, '/', `../../..${tenant.program}`),
      ],
      ['of the Go sriov-cni', () => forgedGoRecord(device, `../../../../..${tenant.program}`)],
      ['of intel 0.x', () => forgedIntelRecord(device, tenant.program)],
    ])('has no record read that the tenant wrote: %s', LIMIT, async (_of, record) => {
      const cniDir = join(tenant.folder, 'state')
      tenant.write('state/evil-net1', record())
      const before = filesOf(installation.folder)
      for (const verb of ['DEL', 'CHECK', 'GC', 'ADD', 'DEL'] as const) {
        await send({ what: 'cniDir', conf: { cniDir } }, verb, isResident)
      }
      expectUnharmed(before)
      // The same record in the right folder, as a careless restore would put it there.
      writeFileSync(state('evil-net1'), JSON.stringify(record()))
      chownSync(state('evil-net1'), TENANT_UID, TENANT_UID)
      for (const verb of ['DEL', 'CHECK', 'GC', 'ADD'] as const) {
        await send({ what: 'a record of another', conf: {} }, verb, isResident)
      }
      rmSync(state('evil-net1'))
      expectUnharmed(before)
    })

    test('finds a program of a trusted record only where the runtime has its plugins', LIMIT, async () => {
      const record = forgedRecord('evil', device, join(tenant.folder, 'plugins'), 'evil')
      writeFileSync(state('evil-net1'), JSON.stringify(record))
      for (const verb of ['GC', 'CHECK', 'DEL'] as const) {
        await send({ what: 'a record of ours', conf: {} }, verb, isResident)
      }
      rmSync(state('evil-net1'), { force: true })
      expect(tenant.wasRun()).toBe(false)
    })

    test('is answered although something else is in the place of a file', LIMIT, async () => {
      const places = ['evil-net1', `.vf-${device}`, `pci/${device}`, `pci/vf_lock/${device}.lock`, 'pci', 'pci/vf_lock']
      const things: readonly (readonly [string, string])[] = [
        ['a FIFO', 'mkfifo "$1"'],
        ['a socket', `python3 -c 'import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$1"`],
        ['a link to the victim', `ln -s ${victim} "$1"`],
        ['a link to nothing', `ln -s ${tenant.folder}/nothing "$1"`],
        ['a file of the tenant', `touch "$1"; chown ${TENANT_UID} "$1"`],
        ['a folder of the tenant', `mkdir "$1"; chown ${TENANT_UID} "$1"`],
        ['a device', 'mknod "$1" c 1 5'],
      ]
      for (const place of places) {
        for (const [what, make] of things) {
          const path = state(place)
          mkdirSync(state('pci/vf_lock'), { recursive: true })
          rmSync(path, { recursive: true, force: true })
          execFileSync('sh', ['-c', make, 'sh', path])
          for (const verb of ['ADD', 'CHECK', 'DEL'] as const) {
            const output = await Promise.race([
              send({ what, conf: {} }, verb, isResident),
              new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), 30_000)),
            ])
            expect([place, what, verb, output?.exitCode], output?.stdout).toEqual([
              place,
              what,
              verb,
              expect.any(Number),
            ])
          }
          expect(readFileSync(victim, 'utf8')).toBe(VICTIM)
          for (const left of readdirSync(state())) {
            rmSync(state(left), { recursive: true, force: true })
          }
        }
      }
      expect(node.interfaces()).toEqual(['vf0', 'vf1', 'vf2', 'vf3'])
    })

    test('adds no line to a file below /var/log that is no log of this plugin', LIMIT, async () => {
      const file = join(installation.folder, 'log/wtmp')
      writeFileSync(file, VICTIM)
      for (const verb of ['ADD', 'DEL'] as const) {
        await send({ what: 'logFile', conf: { logFile: '/var/log/wtmp', logLevel: 'debug' } }, verb, isResident)
      }
      expect(readFileSync(file, 'utf8')).toBe(VICTIM)
      expect(node.interfaces()).toEqual(['vf0', 'vf1', 'vf2', 'vf3'])
    })

    test('wins no race for a folder between a look at it and its use', LIMIT, async () => {
      // The administrator allows a folder in which the tenant can make names.
      node.setPolicy({ logFolders: [tenant.folder], stateFolders: [tenant.folder], deviceInfoFolders: [tenant.folder] })
      const here = join(tenant.folder, 'race')
      const script = `while :; do mkdir "$1" && rmdir "$1"; ln -s "$2" "$1" && rm "$1"; done 2>/dev/null`
      const racer = spawn('sh', ['-c', script, 'sh', here, installation.folder], { uid: TENANT_UID, stdio: 'ignore' })
      const before = filesOf(installation.folder)
      try {
        for (let i = 0; i < 50; i += 1) {
          const runtimeConfig = { CNIDeviceInfoFile: join(here, 'victim') }
          const conf = {
            logFile: join(here, 'victim'),
            cniDir: here,
            capabilities: { CNIDeviceInfoFile: true },
            runtimeConfig,
          }
          const { exitCode } = await send({ what: 'a race', conf }, i % 2 === 0 ? 'ADD' : 'DEL', isResident)
          expect(exitCode).toBe(i % 2 === 0 ? 1 : 0)
        }
      } finally {
        racer.kill('SIGKILL')
        rmSync(here, { force: true, recursive: true })
      }
      const policy = join(installation.folder, 'policy/policy.json')
      expectUnharmed({ ...before, [policy]: readFileSync(policy, 'utf8') })
    })

    test('gets nothing by CNI_ARGS that the policy forbids in the configuration', LIMIT, async () => {
      node.setPolicy({ namespaces: { red: { vlans: [100] }, '*': { vlans: [7] } } })
      const before = filesOf(installation.folder)
      for (const args of [
        'K8S_POD_NAMESPACE=red;VLAN=5',
        'K8S_POD_NAMESPACE=red;K8S_POD_NAMESPACE=blue',
        'K8S_POD_NAMESPACE=;VLAN=100',
        'K8S_POD_NAMESPACE=__proto__',
        'K8S_POD_NAMESPACE=constructor;VLAN=100',
      ]) {
        const { stdout, exitCode } = await send({ what: args, conf: { vlan: 100 }, args }, 'ADD', isResident)
        expect([args, exitCode, JSON.parse(stdout).code]).toEqual([args, 1, 7])
      }
      expectUnharmed(before)
    })

    test('is refused when the policy is not root’s', LIMIT, async () => {
      const file = join(installation.folder, 'policy/policy.json')
      const spoil: readonly (() => void)[] = [
        () => chownSync(file, TENANT_UID, 0),
        () => chmodSync(file, 0o666),
        () => {
          rmSync(file)
          symlinkSync(tenant.write('policy.json', { hostInterfaces: true }), file)
        },
        () => writeFileSync(file, '{"hostInterfaces":"yes"}'),
        () => writeFileSync(file, '{'),
      ]
      for (const change of spoil) {
        rmSync(file, { force: true })
        node.setPolicy({ hostInterfaces: true })
        change()
        const { stdout, exitCode } = await send({ what: 'policy', conf: {} }, 'ADD', isResident)
        expect([exitCode, JSON.parse(stdout)]).toEqual([
          1,
          expect.objectContaining({ code: 7, msg: expect.stringContaining('every ADD is refused') }),
        ])
      }
      rmSync(file, { force: true })
    })
  },
)
