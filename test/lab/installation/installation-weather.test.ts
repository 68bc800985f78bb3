import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { BIN_DIR, type Conf, del, hostLocal, netConf, PLUGIN, startCall } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { ALL_SETTINGS } from '../calls/settings.js'
import { must, shell } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()

const TRIAL = '/dev/shm/trial'
const INSTALL = fileURLToPath(new URL('../../../dist/release/install', import.meta.url))

beforeEach(() => shell(`mkdir -p ${TRIAL}/bin`))
afterEach(() => shell(`rm -rf --one-file-system ${TRIAL}`))

describe('a memory cgroup that is too small for Node.js', () => {
  const CGROUP = '/sys/fs/cgroup/too-small'
  const IPAM = 'shrinking'
  const conf = netConf(vf(2), { ...ALL_SETTINGS, ...hostLocal() })

  beforeEach(async () => {
    // The IPAM plugin is called when the VF is being prepared: from then on there is no memory.
    await shell(`echo +memory >/sys/fs/cgroup/cgroup.subtree_control; mkdir -p ${CGROUP}
      printf '#!/bin/sh\\necho 3M >${CGROUP}/memory.max\\nexec ${BIN_DIR}/host-local\\n' >${TRIAL}/bin/${IPAM}
      printf '#!/bin/sh\\necho $$ >${CGROUP}/cgroup.procs\\nexec ${PLUGIN}\\n' >${TRIAL}/bin/confined
      chmod +x ${TRIAL}/bin/*`)
  })
  afterEach(() => shell(`rmdir ${CGROUP}`))

  /** What an ADD answers in the cgroup. */
  async function addConfined(confinedConf: Conf): Promise<unknown> {
    const pod = await newPod()
    const env = { CNI_PATH: `${TRIAL}/bin:${BIN_DIR}` }
    const { exitCode, stdout } = await startCall('ADD', pod, confinedConf, { plugin: `${TRIAL}/bin/confined`, env })
      .done
    expect(exitCode).toBe(1)
    await del(pod, confinedConf, { env })
    expect(await host.differences()).toEqual([])
    return JSON.parse(stdout)
  }
  const kills = (): number => Number(/oom_kill (\d+)/.exec(readFileSync(`${CGROUP}/memory.events`, 'utf8'))?.[1])

  test('from the beginning: both starts are killed, the call is answered, nothing has changed', async () => {
    await shell(`echo 8M >${CGROUP}/memory.max`)
    expect(await addConfined(conf)).toMatchObject({
      code: 111,
      msg: expect.stringMatching(/was ended by signal 9, with its bytecode and without\. Nothing was changed/),
    })
    expect(kills()).toBe(2)
  })

  test('after the first change: there is no second start, the call is answered, and DEL gives the VF back', async () => {
    await shell(`echo max >${CGROUP}/memory.max`)
    const shrinking = { ...conf, ipam: { ...(conf.ipam as object), type: IPAM } }
    expect(await addConfined(shrinking)).toMatchObject({
      code: 111,
      msg: expect.stringMatching(/had begun .* was ended by signal 9/),
    })
    // The IPAM plugin, which lives there as well, may be killed, too.
    expect(kills()).toBeGreaterThanOrEqual(1)
  })
})

describe('a power cut while the plugin is being upgraded', () => {
  const [IMAGE, CUT] = [`${TRIAL}/disk.img`, `${TRIAL}/cut.img`]
  const [DISK, DISK_AFTER] = ['/run/plugins', '/run/plugins-after']
  const WRITEBACK = '/proc/sys/vm/dirty_writeback_centisecs'
  /** What decides which release is used, and what is on the disk: it is looked at after each time they are run. */
  const TOOLS = ['mv', 'sync']

  let writeback = ''
  beforeEach(async () => {
    writeback = readFileSync(WRITEBACK, 'utf8')
    // What is not synced never reaches the image.
    await shell(`echo 0 >${WRITEBACK}; modprobe -a loop ext4; mkdir -p ${DISK} ${DISK_AFTER}
      truncate -s 500M ${IMAGE}; mkfs.ext4 -q ${IMAGE}; mount -o loop,commit=300 ${IMAGE} ${DISK}`)
    await must(INSTALL, '--bin-dir', `${DISK}/bin`)
    await shell(`sync -f ${DISK}`)
    // The fsync of another file writes the names of all files to the disk, and not what is in them: the worst moment.
    // Then an ADD up to the namespace that is not there goes through launcher, Node.js, bundle and addon.
    const after = `#!/bin/sh
      /usr/bin/\${0##*/} "$@"
      status=$?
      echo >${DISK}/other && /usr/bin/sync ${DISK}/other
      /usr/bin/cp --sparse=always ${IMAGE} ${CUT}
      mount -o loop ${CUT} ${DISK_AFTER}
      echo "\${0##*/} $(echo '{"cniVersion":"1.1.0","name":"n","type":"sriov","deviceID":"0000:00:00.0"}' |
        env -i SRIOV_CNI_SOCKET= CNI_COMMAND=ADD CNI_CONTAINERID=c CNI_IFNAME=net1 CNI_NETNS=/none CNI_PATH=/none \\
          ${DISK_AFTER}/bin/sriov 2>&1)" >>${TRIAL}/answers
      umount ${DISK_AFTER}
      exit $status`
    await shell(TOOLS.map((tool) => `cat >${TRIAL}/bin/${tool} <<'END'\n${after}\nEND`).join('\n'))
    await shell(`chmod +x ${TRIAL}/bin/*`)
  })
  afterEach(() => shell(`echo ${writeback} >${WRITEBACK}; umount ${DISK}`))

  test('leaves a plugin that answers, at every moment', async () => {
    await shell(`PATH=${TRIAL}/bin:$PATH ${INSTALL} --bin-dir ${DISK}/bin`)
    const answers = readFileSync(`${TRIAL}/answers`, 'utf8').trim().split('\n')
    expect(answers.length).toBeGreaterThan(7)
    expect(answers.filter((line) => !line.includes('"code":8,'))).toEqual([])
  })
})
