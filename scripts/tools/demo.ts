/** The story that scripts/demo tells inside the lab's guest. Everything it shows is asked of the kernel. */
import { Container, prepareRootfs } from './demo/container.js'
import { demoNetwork } from './demo/network.js'
import { headline, say, verdict } from './demo/print.js'
import { readVfs, showVfs } from './demo/vfs.js'

const PF = process.env.LAB_PFS?.split(' ')[0] ?? 'ens1f0'

const pods = [
  { name: 'alice', vf: 0, vlan: 100, mac: '02:00:00:00:64:01' },
  { name: 'bob', vf: 1, vlan: 100, mac: '02:00:00:00:64:02' },
  { name: 'carol', vf: 2, vlan: 200, mac: '02:00:00:00:c8:03' },
] as const

async function story(): Promise<void> {
  headline(1, `A node with one SR-IOV card: its PF ${PF} has seven VFs`)
  const before = readVfs(PF)
  showVfs(before)

  headline(2, 'containerd starts three containers; each asks the plugin for a VF')
  prepareRootfs()
  const containers: Container[] = []
  for (const { name, vf, vlan, mac } of pods) {
    const address = before[vf]?.pciAddress ?? ''
    const container = await Container.start(name, demoNetwork({ deviceID: address, vlan, mac }))
    containers.push(container)
    say(
      `  ${name.padEnd(6)} VF ${vf} (${address}), VLAN ${vlan}: ${container.address()}  [${container.startedInMs} ms]`,
    )
  }
  const [alice, bob, carol] = containers as [Container, Container, Container]

  headline(3, 'The VFs are in the containers, each tagged and with its own MAC; the other four did not move')
  showVfs(readVfs(PF))

  headline(4, 'What alice sees: one interface called eth0, and nothing of VLANs')
  say(alice.run('ip addr show eth0').replace(/^/gm, '  '))

  headline(5, 'alice and bob are both on VLAN 100: they talk, through the card')
  say(alice.run(`ping -c 3 -i 0.2 ${bob.ip()}`).replace(/^/gm, '  '))
  bob.background('iperf3 -s -1')
  const rate = alice
    .run(`iperf3 -c ${bob.ip()} -t 3 -f m`)
    .split('\n')
    .find((line) => line.includes('receiver'))
  say(`  iperf3, alice to bob: ${/[\d.]+ Mbits\/sec/.exec(rate ?? '')?.[0] ?? 'no result'}`)

  headline(6, 'carol is on VLAN 200: nobody on VLAN 100 can reach her, the card keeps them apart')
  const attempts = [
    ['carol → alice', carol.canReach(alice.ip())],
    ['alice → carol', alice.canReach(carol.ip())],
  ] as const
  for (const [attempt, isAnswered] of attempts) {
    say(`  ${attempt}: ${isAnswered ? 'answered' : 'no answer'}`)
  }

  headline(7, 'The containers end; every VF is given back')
  for (const container of containers) {
    await container.stop()
    say(`  ${container.name} has ended`)
  }
  const after = readVfs(PF)
  showVfs(after)

  const isAsBefore = JSON.stringify(before) === JSON.stringify(after)
  verdict([
    ['alice and bob talked', rate !== undefined],
    ['carol was kept apart', attempts.every(([, isAnswered]) => !isAnswered)],
    ['all VFs are as they were: name, place, MAC, VLAN, MTU, rate, spoof check, trust', isAsBefore],
  ])
}

story().catch((error: unknown) => {
  process.stderr.write(`the demo stopped: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
})
