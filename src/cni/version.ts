import { PluginError } from '../errors.js'

/** The supported versions of the CNI specification, oldest first. */
export const SUPPORTED_VERSIONS = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const
export type CniVersion = (typeof SUPPORTED_VERSIONS)[number]

/** The version that VERSION reports as its own. */
export const CURRENT_VERSION: CniVersion = '1.1.0'

/** The version of a configuration without cniVersion (CNI specification). */
export const IMPLIED_VERSION: CniVersion = '0.1.0'

/** Whether a version is supported. Compares strings, like libcni. */
export const isSupported = (version: string): version is CniVersion =>
  (SUPPORTED_VERSIONS as readonly string[]).includes(version)

/** The position in SUPPORTED_VERSIONS; a larger one is newer. */
export const rankOf = (version: CniVersion): number => SUPPORTED_VERSIONS.indexOf(version)

/**
 * The numbers of `major.minor.micro`, as libcni reads them before CHECK, GC and STATUS. Absent parts are 0.
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

/** Whether `left` equals `right` or is newer. @throws PluginError kind `decode` */
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

/** Requires a supported version. @throws PluginError kind `version`, which names the supported ones */
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
