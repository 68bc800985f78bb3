import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const ROOTFS = '/run/demo/rootfs'
const CONFLIST = '/etc/cni/net.d/10-demo.conflist'
const START_TIMEOUT_MS = 60_000

/** Copies a program and the libraries it is linked with. */
function copyProgram(path: string): void {
  const libraries = execFileSync('ldd', [path], { encoding: 'utf8' }).match(/\/\S+/g) ?? []
  for (const file of [path, ...libraries]) {
    mkdirSync(dirname(ROOTFS + file), { recursive: true })
    copyFileSync(file, ROOTFS + file)
  }
}

/** A root file system of busybox and iperf3, shared by the containers. */
export function prepareRootfs(): void {
  for (const folder of ['bin', 'proc', 'sys', 'dev', 'tmp', 'etc']) {
    mkdirSync(`${ROOTFS}/${folder}`, { recursive: true })
  }
  copyFileSync('/bin/busybox', `${ROOTFS}/bin/busybox`)
  for (const applet of ['sh', 'ip', 'ping', 'sleep']) {
    symlinkSync('busybox', `${ROOTFS}/bin/${applet}`)
  }
  copyProgram('/usr/bin/iperf3')
}

/** A container started by containerd's ctr, which calls the plugin's ADD before and its DEL after it. */
export class Container {
  private execs = 0

  private constructor(
    readonly name: string,
    readonly startedInMs: number,
    private readonly ctr: ChildProcess,
  ) {}

  /** Starts a container on a network; ctr reads the conflist when it starts. */
  static async start(name: string, network: object): Promise<Container> {
    writeFileSync(CONFLIST, JSON.stringify(network))
    const begin = performance.now()
    const ctr = spawn('ctr', ['run', '--rm', '--cni', '--rootfs', ROOTFS, name, '/bin/sleep', '3600'], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    while (
      !execFileSync('ctr', ['task', 'list'], { encoding: 'utf8' }).match(new RegExp(`^${name}\\s.*RUNNING`, 'm'))
    ) {
      if (ctr.exitCode !== null || performance.now() - begin > START_TIMEOUT_MS) {
        throw new Error(`container ${name} did not start`)
      }
      await sleep(50)
    }
    return new Container(name, Math.round(performance.now() - begin), ctr)
  }

  private command(line: string): string[] {
    this.execs += 1
    return ['task', 'exec', '--exec-id', `${this.name}-${this.execs}`, this.name, '/bin/sh', '-c', line]
  }

  /** Runs a command inside and returns what it printed. */
  run(line: string): string {
    return execFileSync('ctr', this.command(line), { encoding: 'utf8' }).trimEnd()
  }

  background(line: string): void {
    spawn('ctr', this.command(line), { stdio: 'ignore' })
  }

  canReach(ip: string): boolean {
    return spawnSync('ctr', this.command(`ping -c 2 -W 1 ${ip}`), { stdio: 'ignore' }).status === 0
  }

  /** Address with prefix length, as the container itself sees it. */
  address(): string {
    return /inet (\S+)/.exec(this.run('ip addr show eth0'))?.[1] ?? 'no address'
  }

  ip(): string {
    return this.address().split('/')[0] ?? ''
  }

  async stop(): Promise<void> {
    const ended = once(this.ctr, 'exit')
    execFileSync('ctr', ['task', 'kill', '-s', 'SIGKILL', this.name])
    await ended
  }
}
