import { constants } from 'node:os'

/** Numbers with two names on Linux, under the one that error messages use. */
const PREFERRED: Readonly<Record<string, string>> = { EWOULDBLOCK: 'EAGAIN', ENOTSUP: 'EOPNOTSUPP' }

const NAMES = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, PREFERRED[name] ?? name] as const),
)

/** The name of a positive errno, such as `EBUSY`; the number where it has none here. */
export const errnoName = (errno: number): string => NAMES.get(errno) ?? `errno ${errno}`
