import { PluginError } from '../errors.js'

/** Versions of the CNI specification that are spoken, oldest first. */
export const SUPPORTED_VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof SUPPORTED_VERSIONS)[number]

/** What VERSION reports as its own. */
export const CURRENT_VERSION: CniVersion = '1.1.0'

/** A configuration without cniVersion speaks this one (CNI specification). */
export const IMPLIED_VERSION: CniVersion = '0.1.0'

/** Whether a version is spoken: compared as a string, like libcni does. */
export const isSupported = (version: string): version is CniVersion =>
  (SUPPORTED_VERSIONS as readonly string[]).includes(version)

/** Position in the list of versions: larger is newer. */
export const rankOf = (version: CniVersion): number => SUPPORTED_VERSIONS.indexOf(version)

/**
 * The numbers of `major.minor.micro`, as libcni reads them before CHECK, GC and STATUS.
 * @throws PluginError kind `decode`
 */
export function parseVersion(version: string): readonly [number, number, number] {
  const parts = version.split('.')
  if (version === '' || parts.length > 3) {
    throw new PluginError({
      kind: 'decode',
      message: `invalid version "${version}": too ${version === '' ? 'few' : 'many'} parts`,
    })
  }
  const names = ['major', 'minor', 'micro'] as const
  const numbers = parts.map((part, i) => {
    if (!/^[+-]?\d+$/.test(part)) {
      throw new PluginError({
        kind: 'decode',
        message: `failed to convert ${names[i]} version part "${part}": not a number`,
      })
    }
    return Number(part)
  })
  return [numbers[0] ?? 0, numbers[1] ?? 0, numbers[2] ?? 0]
}

/** Whether `left` is `right` or newer. @throws PluginError kind `decode` */
export function isAtLeast(left: string, right: string): boolean {
  const a = parseVersion(left)
  const b = parseVersion(right)
  for (const i of [0, 1, 2] as const) {
    if (a[i] !== b[i]) {
      return a[i] > b[i]
    }
  }
  return true
}

/** @throws PluginError kind `version` naming what is spoken. */
export function requireSupported(version: string): CniVersion {
  if (!isSupported(version)) {
    throw new PluginError({
      kind: 'version',
      message: 'incompatible CNI versions',
      details: `config is "${version}", plugin supports [${SUPPORTED_VERSIONS.map((v) => `"${v}"`).join(' ')}]`,
    })
  }
  return version
}
