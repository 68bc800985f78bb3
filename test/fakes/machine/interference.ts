/** What one call does to the world, as a port sees it. */
export interface Effect {
  readonly kind: 'netlink' | 'ethtool' | 'file' | 'exec' | 'frame' | 'sysctl' | 'netns' | 'lock'
  readonly what: string
  readonly isChange: boolean
}

/** Stands between a port and the world: may do the work, refuse it with an errno, or end the process by throwing. */
export type Interference = <T>(effect: Effect, work: () => T, refuse: (errno: string) => T) => T

export type Choice = (effect: Effect) => boolean

export class Killed extends Error {
  constructor() {
    super('killed')
    this.name = 'Killed'
  }
}

export const everyChange: Choice = ({ isChange }) => isChange

export const everyRequest: Choice = ({ isChange, kind }) => isChange || kind === 'netlink' || kind === 'ethtool'

/** What a call only looks at: files, locks, namespaces, the end of programs. */
export const everyLook: Choice = (effect) => !everyRequest(effect)

export const noInterference: Interference = (_effect, work) => work()

/** Remembers the chosen effects of a call. */
export function recordEffects(choice: Choice, into: Effect[]): Interference {
  return (effect, work) => {
    if (choice(effect)) {
      into.push(effect)
    }
    return work()
  }
}

/** Refuses the chosen effect number `from` (0 is the first) and `count - 1` after it. */
export function refuseAt(choice: Choice, from: number, errno: string, count = 1): Interference {
  let seen = -1
  return (effect, work, refuse) => {
    if (!choice(effect)) {
      return work()
    }
    seen += 1
    return seen >= from && seen < from + count ? refuse(errno) : work()
  }
}

/** Ends the process before or after the chosen effect number `at`: nothing it does afterwards reaches the world. */
export function killAt(choice: Choice, at: number, when: 'before' | 'after'): Interference {
  let seen = -1
  let isDead = false
  return (effect, work) => {
    if (isDead) {
      throw new Killed()
    }
    seen += choice(effect) ? 1 : 0
    isDead = choice(effect) && seen === at
    if (isDead && when === 'before') {
      throw new Killed()
    }
    const result = work()
    if (isDead) {
      throw new Killed()
    }
    return result
  }
}
