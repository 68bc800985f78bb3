/** The devices of a test node: four, each with a MAC that tells its address. */
const INDEXES = [0, 1, 2, 3] as const

export const DEVICES: readonly string[] = INDEXES.map((index) => `0000:ff:00.${index}`)

export const macOf = (index: number): string => `02:00:00:00:ff:0${index}`

export const deviceOfMac = (mac: string): string | undefined => DEVICES.find((_device, index) => macOf(index) === mac)
