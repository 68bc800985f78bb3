import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { OTHER_VFS } from '../calls/choosing.js'
import { add, BIN_DIR, type Conf, DEFAULT_IFNAME, del, netConf } from '../calls/plugin.js'
import { newPod, type Pod } from '../calls/pods.js'
import { type Running, run, start, until } from '../host/process.js'

const FOLDER = '/run/dhcp-test'
const LEASES = `${FOLDER}/leases`
const SOCKET = '/run/cni/dhcp.sock'
/** As a time of day of the lease file: written, then one record after the other. */
const HEADER_BYTES = 8
const LEASE_BYTES = 36

export const SERVER_ADDRESS = '10.100.0.1'

/** What a DHCP server has given away: seconds left for each address. */
export type Leases = ReadonlyMap<string, number>

async function stop(running: Running): Promise<void> {
  process.kill(running.pid, 'SIGTERM')
  await running.done
}

/** busybox's lease file (networking/udhcp/files.c): seconds left, address, MAC, host name; big endian. */
function readLeases(): Leases {
  const bytes = existsSync(LEASES) ? readFileSync(LEASES) : Buffer.alloc(0)
  const leases = new Map<string, number>()
  for (let at = HEADER_BYTES; at + LEASE_BYTES <= bytes.length; at += LEASE_BYTES) {
    leases.set([...bytes.subarray(at + 4, at + 8)].join('.'), bytes.readUInt32BE(at))
  }
  return leases
}

/** A DHCP server on a VF of the second card. */
export interface DhcpServer {
  readonly pod: Pod
  leases(): Promise<Leases>
  stop(): Promise<void>
}

/** Starts busybox's DHCP server in a pod with a VF of its own, in the VLAN. */
export async function startDhcpServer(vlan: number): Promise<DhcpServer> {
  const [vf] = OTHER_VFS
  if (!vf) {
    throw new Error('the second card has no VF')
  }
  const pod = await newPod()
  const addresses = [{ address: `${SERVER_ADDRESS}/24` }]
  const conf: Conf = netConf(vf, { name: 'dhcp-server', vlan, ipam: { type: 'static', addresses } })
  await add(pod, conf)
  rmSync(FOLDER, { recursive: true, force: true })
  await run('mkdir', ['-p', FOLDER])
  writeFileSync(
    `${FOLDER}/conf`,
    `interface ${DEFAULT_IFNAME}\nstart 10.100.0.50\nend 10.100.0.60\nmax_leases 11\nlease_file ${LEASES}\n` +
      `pidfile ${FOLDER}/pid\noption subnet 255.255.255.0\noption router ${SERVER_ADDRESS}\noption lease 600\n`,
  )
  writeFileSync(LEASES, '')
  const args = ['netns', 'exec', pod.name, 'busybox', 'udhcpd', '-f', '-a', '100', `${FOLDER}/conf`]
  const server = start('ip', args)
  await until('the DHCP server runs', async () => existsSync(`${FOLDER}/pid`))
  return {
    pod,
    async leases() {
      const before = statSync(LEASES).mtimeMs
      process.kill(server.pid, 'SIGUSR1')
      await until('its leases are written', async () => statSync(LEASES).mtimeMs !== before)
      return readLeases()
    },
    async stop() {
      await stop(server)
      await del(pod, conf)
    },
  }
}

/** The daemon of the IPAM plugin dhcp. */
export interface DhcpDaemon {
  /** Ends it; returns what it has logged. Its socket goes with it, or stays like that of one that crashed. */
  stop(socket?: 'gone' | 'left'): Promise<string>
}

export async function startDhcpDaemon(): Promise<DhcpDaemon> {
  await run('mkdir', ['-p', '/run/cni'])
  rmSync(SOCKET, { force: true })
  const daemon = start(`${BIN_DIR}/dhcp`, ['daemon'])
  await until('the DHCP daemon listens', async () => existsSync(SOCKET))
  return {
    async stop(socket = 'gone') {
      process.kill(daemon.pid, 'SIGKILL')
      const { stdout, stderr } = await daemon.done
      if (socket === 'gone') {
        rmSync(SOCKET, { force: true })
      }
      return stdout + stderr
    },
  }
}
