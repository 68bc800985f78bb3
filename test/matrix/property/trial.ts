import { expect } from 'vitest'
import { netConf } from '../../fakes/call.js'
import { type FakeNetns, findByName, makeLink } from '../../fakes/kernel/links.js'
import { addPod, podPathAt, SMALL_NODE, vfNameAt } from '../../fakes/machine/node.js'
import { snapshot } from '../../fakes/machine/snapshot.js'
import { BOOT_ID_PATH, type FakeWorld } from '../../fakes/machine/world.js'
import { harmedCall, type Outcome } from './harm.js'
import { bootIdOf, confOf, containerOf, expectAdd, type Held, isAlive, isHeldAlive, keyOf, wantedOf } from './model.js'
import { ADDRESSES, makeSeasonedNode, PLACES, remembered, type VfFacts, vfFacts } from './node-state.js'
import type { Interface, Operation } from './operations.js'
import { tamper } from './tamper.js'

type Of<Verb extends Operation['op']> = Extract<Operation, { op: Verb }>

/** One sequence on one node: the fake world, and what the model knows of it. */
export class Trial {
  readonly world: FakeWorld = makeSeasonedNode()
  readonly held = new Map<string, Held>()
  readonly original: readonly VfFacts[] = ADDRESSES.map((address) => vfFacts(this.world, address))
  /** The name of each VF on the host, by now. */
  readonly names: string[] = PLACES.map(vfNameAt)
  /** VFs whose name something else has had since they left: any name does for them. */
  readonly robbed = new Set<number>()
  readonly #originalLinks = this.world.host.links.map((link) => ({ ...link, altNames: [...link.altNames] }))
  readonly #everyNetns: FakeNetns[] = [...this.world.namespaces.values()]
  #boots = 1

  async #call(verb: string, conf: object, one: Partial<Interface>, netns: string, harm: Of<'ADD'>['harm']) {
    const { ifName = 'net1' } = one
    const containerId = containerOf({ pod: one.pod ?? 0 })
    return harmedCall(this.world, verb, netConf(conf), { containerId, netns, ifName }, harm)
  }

  async #add(one: Of<'ADD'>): Promise<void> {
    const { world, held } = this
    const netns = podPathAt(one.pod)
    const expected = expectAdd(world, one, one.vf, one.conf)
    const before = snapshot(world)
    const alive = new Set([...held].flatMap(([key, other]) => (isHeldAlive(world, other) ? [key] : [])))
    const conf = { ...confOf(one.conf, one), deviceID: ADDRESSES[one.vf] }
    const { answer, suffered } = await this.#call('ADD', conf, one, netns, one.harm)
    const code = answer.exitCode === 0 ? 0 : JSON.parse(answer.stdout).code
    if (suffered === 'nothing') {
      expect(expected.codes, `what ADD answers: ${answer.stdout}`).toContain(code)
      if (code !== 0 && expected.isPure) {
        expect(snapshot(world), 'after a refused ADD').toEqual(before)
      }
    } else if (!expected.codes.includes(0)) {
      expect(code, `an ADD that must be refused: ${expected.codes}`).not.toBe(0)
    }
    for (const [key, other] of held) {
      if ((key === keyOf(one) || other.vf === one.vf) && !(alive.has(key) && isHeldAlive(world, other))) {
        held.delete(key)
      }
    }
    const record = remembered(world).find(({ key, deviceId }) => key === keyOf(one) && deviceId === ADDRESSES[one.vf])
    const isNew = !held.has(keyOf(one))
    const isAttached = record?.phase === 'attached' && isAlive(world, record)
    if (suffered !== 'a kill' ? code === 0 : isNew && isAttached) {
      expect(isAttached, 'an ADD that succeeded is recorded').toBe(true)
      const seen = vfFacts(world, ADDRESSES[one.vf] ?? '')
      expect(seen, 'what ADD set up').toMatchObject(wantedOf(one.conf, one))
      expect(seen.netns, 'where ADD put the VF').toBe(world.netns(netns).inode)
      const { pod, ifName, vf, conf: number } = one
      held.set(keyOf(one), {
        ...{ pod, ifName, vf, conf: number, seen, isTampered: false },
        netns: world.netns(netns),
        bootId: bootIdOf(world),
      })
    }
  }

  async #del(one: Of<'DEL'>): Promise<void> {
    const { world, held } = this
    const holder = held.get(keyOf(one))
    const conf = { ...confOf(holder?.conf ?? 1, one), deviceID: ADDRESSES[holder?.vf ?? one.vf] }
    const outcome = await this.#call('DEL', conf, one, one.hasNetns ? podPathAt(one.pod) : '', one.harm)
    if (outcome.suffered === 'nothing') {
      expect(outcome.answer, 'what DEL answers').toMatchObject({ exitCode: 0, stdout: '' })
    }
    if (outcome.suffered !== 'a kill' && outcome.answer.exitCode === 0) {
      expect(
        remembered(world).filter(({ key }) => key === keyOf(one)),
        'records after DEL',
      ).toEqual([])
      expect([...world.leases.keys()], 'leases after DEL').not.toContain(keyOf(one))
    }
    held.delete(keyOf(one))
  }

  async #check(one: Of<'CHECK'>): Promise<void> {
    const { world } = this
    const holder = this.held.get(keyOf(one))
    const before = snapshot(world)
    const conf = { ...confOf(holder?.conf ?? 0, one), deviceID: ADDRESSES[holder?.vf ?? 0] }
    const { answer } = await this.#call('CHECK', conf, one, podPathAt(one.pod), undefined)
    expect(snapshot(world), 'after CHECK').toEqual(before)
    if (holder && isHeldAlive(world, holder) && !holder.isTampered) {
      expect(answer, 'what CHECK answers').toMatchObject({ exitCode: 0, stdout: '' })
    } else if (!remembered(world).some(({ key, phase }) => key === keyOf(one) && phase === 'attached')) {
      expect(answer.exitCode, 'CHECK of no attachment').toBe(1)
    }
  }

  async #gc({ list, harm }: Of<'GC'>): Promise<void> {
    const { world, held } = this
    const isListed = (one: Held) => list === 'valid' || (list === 'some' && one.pod % 2 === 0)
    const attachments = [...held.values()]
      .filter(isListed)
      .map((one) => ({ containerID: containerOf(one), ifname: one.ifName }))
    const conf = {
      ...confOf(1, { pod: 0, ifName: 'net1' }),
      ...(list !== 'none' && { 'cni.dev/valid-attachments': attachments }),
    }
    const { answer, suffered }: Outcome = await this.#call('GC', conf, {}, '', harm)
    if (suffered === 'nothing') {
      expect(answer, 'what GC answers').toMatchObject({ exitCode: 0, stdout: '' })
      const kept = list === 'none' ? undefined : new Set(attachments.map((one) => `${one.containerID} ${one.ifname}`))
      const left = remembered(world).filter((record) => !(kept ? kept.has(record.key) : isAlive(world, record)))
      expect(left, 'what GC leaves').toEqual([])
    }
    for (const [key, one] of held) {
      if (list === 'none' ? !isHeldAlive(world, one) : !isListed(one)) {
        held.delete(key)
      }
    }
  }

  #reboot(): void {
    const { world } = this
    this.#boots += 1
    world.files.set(BOOT_ID_PATH, `boot-${this.#boots}\n`)
    for (const netns of this.#everyNetns) {
      netns.links.splice(0)
    }
    for (const path of [...world.namespaces.keys()].filter((one) => one.startsWith('/run/'))) {
      world.namespaces.delete(path)
    }
    world.host.links.push(...this.#originalLinks.map((link) => ({ ...link, altNames: [...link.altNames] })))
    for (const [number, { settings, hasAdminMac }] of this.original.entries()) {
      const vf = world.vf(ADDRESSES[number] ?? '')
      vf.settings = { ...settings }
      vf.hasAdminMac = hasAdminMac
      this.names[number] = vfNameAt(PLACES[number] ?? { pf: 0, index: 0 })
    }
    this.robbed.clear()
  }

  #tamper(one: Of<'tamper'>): void {
    const holder = this.held.get(keyOf(one))
    if (holder && isHeldAlive(this.world, holder) && tamper(this.world, holder, one.what, one.to)) {
      holder.isTampered = true
      holder.seen = vfFacts(this.world, ADDRESSES[holder.vf] ?? '')
    }
  }

  /** Takes one step; throws when the plugin's answer is not what the model expects. */
  async step(operation: Operation): Promise<void> {
    const { world } = this
    switch (operation.op) {
      case 'ADD':
        return this.#add(operation)
      case 'DEL':
        return this.#del(operation)
      case 'CHECK':
        return this.#check(operation)
      case 'GC':
        return this.#gc(operation)
      case 'tamper':
        return this.#tamper(operation)
      case 'reboot':
        return this.#reboot()
      case 'remove netns':
        if (world.namespaces.has(podPathAt(operation.pod))) {
          world.removeNetns(podPathAt(operation.pod), operation.cleanupMs)
        }
        return
      case 'make netns':
        if (!world.namespaces.has(podPathAt(operation.pod))) {
          addPod(world, podPathAt(operation.pod))
          this.#everyNetns.push(world.netns(podPathAt(operation.pod)))
        }
        return
      case 'take host name': {
        const name = this.names[operation.vf] ?? ''
        if (!findByName(world.host, name)) {
          world.host.links.push(makeLink({ name, mac: '02:ee:00:00:00:01' }))
        }
        return
      }
      case 'give host name': {
        const name = this.names[operation.vf] ?? ''
        const thief = world.host.links.findIndex((link) => link.name === name && link.parentDevice === undefined)
        if (thief >= 0) {
          world.host.links.splice(thief, 1)
        }
        return
      }
    }
  }

  /** Gives everything back: DEL of every attachment there can be, or a GC that knows of none. */
  async end(by: 'DEL' | 'GC'): Promise<void> {
    if (by === 'GC') {
      return this.#gc({ op: 'GC', list: 'empty' })
    }
    for (let pod = 0; pod < SMALL_NODE.pods; pod += 1) {
      for (const ifName of ['net1', 'net2'] as const) {
        await this.#del({ op: 'DEL', pod, ifName, vf: 0, hasNetns: pod % 2 === 0 })
      }
    }
  }
}
