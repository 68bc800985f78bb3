import { chmodSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { afterEach, test } from 'vitest'
import { RESIDENT_SOCKET } from '../../../src/daemon/protocol.js'
import { add, BIN_DIR, del, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { stopResident } from '../calls/resident.js'
import { plugCable } from '../host/machine.js'
import { ip, type Running, shell, start, until } from '../host/process.js'
import { STATE_FOLDER } from '../host/snapshot.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'
import { type Fault, foundAndMended } from './doctor-fault.js'

untouchedHost()

const INSTALLED = `${BIN_DIR}/.sriov`
const OLD = `${INSTALLED}/older`
const LOCAL = '/usr/local/bin'
const SYSTEMCTL = `${LOCAL}/systemctl`
const NETWORKCTL = `${LOCAL}/networkctl`
const NETWORKD = '/run/systemd/netif'
const NETWORKD_CONF = '/etc/systemd/network'
const PID_FILE = '/tmp/resident.pid'
const SOCKET_FOLDER = '/run/sriov-cni'

let older: Running | undefined

afterEach(async () => {
  for (const path of [SYSTEMCTL, NETWORKCTL, NETWORKD, NETWORKD_CONF, OLD]) {
    rmSync(path, { recursive: true, force: true })
  }
  older?.killGroup()
  await older?.done
  older = undefined
  await stopResident()
  rmSync(SOCKET_FOLDER, { recursive: true, force: true })
})

/** The guest has no systemd: a program in its place. */
function standIn(path: string, script: string): void {
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

/** A pod that came and went. */
async function call(): Promise<void> {
  const pod = await newPod()
  await add(pod, netConf(vf(0)))
  await del(pod, netConf(vf(0)))
}

const FAULTS: readonly Fault[] = [
  {
    id: 'pf-no-carrier',
    severity: 'warning',
    async plant() {
      await plugCable(1, false)
      await until('the cable is seen as pulled', async () => (await ip(`-j link show ${PF}`)).includes('NO-CARRIER'))
      return async () => {
        await plugCable(1, true)
        await until('the cable is seen', async () => !(await ip(`-j link show ${PF}`)).includes('NO-CARRIER'))
      }
    },
    tidy: () => plugCable(1, true),
  },
  {
    id: 'vf-managed',
    severity: 'warning',
    async plant() {
      mkdirSync(NETWORKD, { recursive: true })
      mkdirSync(NETWORKD_CONF, { recursive: true })
      // It leaves alone what its configuration says.
      standIn(
        NETWORKCTL,
        `[ "$1" = list ] || exit 0
grep -qs Unmanaged=yes ${NETWORKD_CONF}/* && setup=unmanaged || setup=configuring
echo "  4 ${vf(3).name} ether degraded $setup"`,
      )
      return undefined
    },
  },
  {
    id: 'resident-absent',
    severity: 'info',
    async plant() {
      standIn(
        SYSTEMCTL,
        `[ "$*" = 'enable --now sriov-cni' ]
setsid ${INSTALLED}/sriovctl daemon </dev/null >/dev/null 2>&1 &
echo $! >${PID_FILE}
until [ -S ${RESIDENT_SOCKET} ]; do sleep 0.1; done`,
      )
      return undefined
    },
    tidy: () => shell(`kill $(cat ${PID_FILE}); sleep 0.5`),
  },
  {
    id: 'resident-other-version',
    severity: 'warning',
    async plant() {
      await shell(`cp -a "$(readlink -f ${INSTALLED}/current)" ${OLD}`)
      const words = ['--library-path', `${OLD}/lib`, `${OLD}/node`, `${OLD}/resident.cjs`, 'daemon']
      older = start(`${OLD}/loader`, words)
      await until('it listens', async () => existsSync(RESIDENT_SOCKET))
      standIn(SYSTEMCTL, `kill ${older.pid}`)
      return undefined
    },
  },
  {
    id: 'clock-behind',
    severity: 'info',
    async plant() {
      await shell('date -s "+10 minutes"')
      await call()
      await shell('date -s "-10 minutes"')
      await call()
      // In time the journal is filled with newer entries.
      return () => shell(`rm -f ${STATE_FOLDER}/.journal*`)
    },
  },
]

test.each(FAULTS)('the doctor finds $id, its remedy mends it, and it is not found again', foundAndMended)
