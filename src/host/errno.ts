import { constants } from 'node:os'

/** Linux gives some numbers two names. This table prefers the name that error messages use. */
const PREFERRED: Readonly<Record<string, string>> = { EWOULDBLOCK: 'EAGAIN', ENOTSUP: 'EOPNOTSUPP' }

const NAMES = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, PREFERRED[name] ?? name] as const),
)

/** The name of a positive errno, such as `EBUSY`; `errno <number>` when Node.js has no name for it. */
export const errnoName = (errno: number): string => NAMES.get(errno) ?? `errno ${errno}`
