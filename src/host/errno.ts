import { constants } from 'node:os'

/** Numbers with two names on Linux, under the one that error messages use. */
const PREFERRED: Readonly<Record<string, string>> = { EWOULDBLOCK: 'EAGAIN', ENOTSUP: 'EOPNOTSUPP' }

/** The name of a positive errno, such as `EBUSY`; the number where it has none here. */
export function errnoName(errno: number): string {
  const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0]
  return name === undefined ? `errno ${errno}` : (PREFERRED[name] ?? name)
}
