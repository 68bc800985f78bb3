import { existsSync, readdirSync, readFileSync, symlinkSync } from 'node:fs'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  add,
  BIN_DIR,
  cniEnvironment,
  DEFAULT_IFNAME,
  del,
  failing,
  hostLocal,
  netConf,
  PLUGIN,
  startCall,
} from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { removePolicy, setPolicy } from '../calls/policy.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { link, linksIn } from '../host/kernel-view.js'
import { run, shell } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const conf = netConf(vf(6), ALL_SETTINGS)
const TRIAL = '/tmp/trial'

beforeEach(() => shell(`mkdir -p ${TRIAL}`))
afterEach(() => shell(`rm -rf --one-file-system ${TRIAL}`))

describe('the installed plugin', () => {
  test('needs no environment at all to say what it is', async () => {
    const { exitCode, stdout, stderr } = await run(PLUGIN, [], { env: {} })
    expect([exitCode, stdout]).toEqual([0, ''])
    expect(stderr).toContain('CNI protocol versions supported: 0.1.0')
  })

  test('answers VERSION without stdin and with an empty environment', async () => {
    const { exitCode, stdout } = await run(PLUGIN, [], { env: { CNI_COMMAND: 'VERSION' } })
    expect(exitCode).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({
      cniVersion: '1.1.0',
      supportedVersions: expect.arrayContaining(['1.0.0']),
    })
  })

  test('works through a symbolic link, from a folder that is gone, with misleading variables', async () => {
    const [symlink, gone] = [`${TRIAL}/sriov`, `${TRIAL}/gone`]
    symlinkSync(PLUGIN, symlink)
    const env = {
      NODE_OPTIONS: '--no-such-option',
      NODE_PATH: '/nowhere',
      LD_LIBRARY_PATH: '/nowhere',
      HOME: '/nowhere',
    }
    const pod = await newPod()
    const callFrom = (verb: 'ADD' | 'DEL') => {
      const variables = Object.entries({ ...cniEnvironment(verb, pod), ...env }).map(
        ([key, value]) => `${key}='${value}'`,
      )
      const script = `mkdir ${gone}; cd ${gone}; rmdir ${gone}; exec env -i ${variables.join(' ')} ${symlink}`
      return run('/bin/sh', ['-c', script], { stdin: JSON.stringify(conf) })
    }
    expect(await callFrom('ADD')).toMatchObject({ exitCode: 0 })
    expect((await link(DEFAULT_IFNAME, pod)).parentdev).toBe(vf(6).pci)
    expect(await callFrom('DEL')).toMatchObject({ exitCode: 0, stdout: '' })
  })

  test('hands the whole environment of its caller on to the IPAM plugin', async () => {
    await shell(`mkdir -p ${TRIAL}/bin
      printf '#!/bin/sh\\nenv -0 >${TRIAL}/environment\\nls /proc/self/fd >${TRIAL}/descriptors\\nexec ${BIN_DIR}/static\\n' >${TRIAL}/bin/noting
      chmod 755 ${TRIAL}/bin/noting`)
    const env = {
      CNI_PATH: `${TRIAL}/bin:${BIN_DIR}`,
      NODE_NAME: 'worker-1',
      NODE_OPTIONS: '--no-such-option',
      OPENSSL_CONF: '/nowhere',
      LD_LIBRARY_PATH: '/nowhere',
      GLIBC_TUNABLES: 'glibc.malloc.perturb=7',
      MALLOC_PERTURB_: '7',
    }
    const pod = await newPod()
    const noted = { ...conf, ipam: { type: 'noting', addresses: [{ address: '10.9.0.3/24' }] } }
    await add(pod, noted, { env })
    const lines = readFileSync(`${TRIAL}/environment`, 'utf8').split('\0')
    expect(lines).toEqual(expect.arrayContaining(Object.entries(env).map(([name, value]) => `${name}=${value}`)))
    // 3 is that of ls(1) for the folder.
    expect(readFileSync(`${TRIAL}/descriptors`, 'utf8')).toBe('0\n1\n2\n3\n')
    expect(lines.filter((line) => /^(CALLER_|SRIOV_CNI_)/.test(line))).toEqual([])
    await del(pod, noted, { env })
    expect(await host.differences()).toEqual([])
  })

  test('does ADD and DEL where nothing is but itself, its state, the namespaces, /sys and /proc', async () => {
    const pod = await newPod()
    const inChroot = async (verb: 'ADD' | 'DEL') => {
      const variables = Object.entries(cniEnvironment(verb, pod)).map(([key, value]) => `${key}='${value}'`)
      const mounts = [BIN_DIR, '/var/lib/cni', '/run/netns', '/sys', '/proc']
        .map((folder) => `mkdir -p ${TRIAL}/root${folder}; mount --rbind ${folder} ${TRIAL}/root${folder}`)
        .join('; ')
      const script = `mkdir -p /var/lib/cni; ${mounts}; exec env -i ${variables.join(' ')} /usr/sbin/chroot ${TRIAL}/root ${PLUGIN}`
      const { exitCode, stdout, stderr } = await run(
        'unshare',
        ['-m', '--propagation', 'private', '/bin/sh', '-euc', script],
        { stdin: JSON.stringify(conf) },
      )
      expect(exitCode, stdout + stderr).toBe(0)
    }
    await inChroot('ADD')
    expect((await link(DEFAULT_IFNAME, pod)).parentdev).toBe(vf(6).pci)
    await inChroot('DEL')
    expect(await host.differences()).toEqual([])
  })
})

describe('a state folder that cannot take a record', () => {
  beforeAll(() => setPolicy({ stateFolders: [TRIAL] }))
  afterAll(removePolicy)

  test('on a full disk is named in a clear error, and nothing was changed', async () => {
    await shell(`mount -t tmpfs -o mode=755,size=4k tmpfs ${TRIAL}; head -c 4096 /dev/zero >${TRIAL}/filler`)
    const pod = await newPod()
    const { code, msg } = await failing('ADD', pod, { ...conf, ...hostLocal(), cniDir: TRIAL })
    await shell(`umount ${TRIAL}`)
    expect.soft(msg).toMatch(/ENOSPC|no space left/i)
    expect.soft(msg).toContain(TRIAL)
    expect.soft(code).toBe(106)
    expect(await host.differences()).toEqual([])
    expect((await linksIn(pod)).map(({ ifname }) => ifname)).toEqual(['lo'])
  })

  test('read-only is named in a clear error, and nothing was changed', async () => {
    await shell(`mount -t tmpfs -o mode=755,ro tmpfs ${TRIAL}`)
    const { code, msg } = await failing('ADD', await newPod(), { ...conf, cniDir: `${TRIAL}/sriov` })
    await shell(`umount ${TRIAL}`)
    expect.soft(msg).toMatch(/EROFS|read-only/i)
    expect.soft(msg).toContain(TRIAL)
    expect.soft(code).toBe(106)
  })

  test('that is a file is named in a clear error, and nothing was changed', async () => {
    await shell(`echo >${TRIAL}/file`)
    const { code, msg } = await failing('ADD', await newPod(), { ...conf, cniDir: `${TRIAL}/file` })
    expect.soft(msg).toContain(`${TRIAL}/file`)
    expect.soft(code).toBe(106)
  })

  test('for want of room during DEL still lets the VF and its lease go', async () => {
    await shell(`mount -t tmpfs -o mode=755,size=64k tmpfs ${TRIAL}`)
    const pod = await newPod()
    const full = { ...conf, ...hostLocal(), cniDir: TRIAL }
    await add(pod, full)
    await shell(`cat /dev/zero >${TRIAL}/filler || true`)
    await del(pod, full)
    await shell(`umount ${TRIAL}`)
    expect(await host.differences()).toEqual([])
  })
})

describe('scripts/install', () => {
  const install = (...more: string[]) =>
    run('scripts/install', ['--bin-dir', `${TRIAL}/bin`, ...more], {
      cwd: process.cwd(),
      env: { PATH: process.env.PATH ?? '', SRIOV_PREPARED: '1' },
    })

  test('installs over a plugin that is running, which ends its call', async () => {
    expect(await install()).toMatchObject({ exitCode: 0 })
    const pod = await newPod()
    const plugin = `${TRIAL}/bin/sriov`
    const running = startCall('ADD', pod, conf, { plugin })
    expect(await install()).toMatchObject({ exitCode: 0 })
    expect(await running.done).toMatchObject({ exitCode: 0 })
    await del(pod, conf, { plugin })
  })

  test('--uninstall leaves nothing behind, and twice is no error', async () => {
    expect(await install()).toMatchObject({ exitCode: 0 })
    expect(await install('--uninstall')).toMatchObject({ exitCode: 0 })
    expect(existsSync(`${TRIAL}/bin/sriov`)).toBe(false)
    expect(readdirSync(`${TRIAL}/bin`)).toEqual([])
    expect(await install('--uninstall')).toMatchObject({ exitCode: 0 })
  })
})
