/** A VF of the lab's cards, as scripts/lab.d/guest-setup names it. */
export interface Vf {
  readonly name: string
  readonly index: number
  readonly pci: string
  readonly pf: string
}

const VFS_OF_A_PORT = 7

const vfOf = (port: number, index: number): Vf => ({
  name: `ens${port}f0v${index}`,
  index,
  pci: `0000:0${port}:1${Math.floor(index / 4)}.${(index % 4) * 2}`,
  pf: `ens${port}f0`,
})

const portOf = (port: number): readonly Vf[] => Array.from({ length: VFS_OF_A_PORT }, (_, index) => vfOf(port, index))

export const PF = 'ens1f0'
export const PF_PCI = '0000:01:00.0'
/** The second card, on the same wire. */
export const OTHER_PF = 'ens2f0'

/** The VFs of the first card. */
export const VFS = portOf(1)
export const ALL_VFS = [...VFS, ...portOf(2)]

export function vf(index: number): Vf {
  const found = VFS[index]
  if (!found) {
    throw new Error(`${PF} has no VF ${index}`)
  }
  return found
}
