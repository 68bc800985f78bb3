import { PluginError } from '../errors.js'
import { tryParseCidr, tryParseIp } from '../netlink/ip.js'
import { isJsonObject, type JsonObject, parseJsonObject, valueAt } from './json.js'
import { type CniVersion, rankOf } from './version.js'

/** An interface of a result. `mtu` is in bytes; `sandbox` is the path of its network namespace. */
export interface ResultInterface {
  readonly name: string
  readonly mac?: string
  readonly mtu?: number
  readonly sandbox?: string
  readonly pciID?: string
}

/** An address of a result, in CIDR notation. */
export interface ResultIp {
  readonly address: string
  readonly gateway?: string
  readonly interface?: number
}

/** A route of a result. Version 1.1.0 introduced the keys after `gw`. */
export interface ResultRoute {
  readonly dst: string
  readonly gw?: string
  readonly mtu?: number
  readonly advmss?: number
  readonly priority?: number
  readonly table?: number
  readonly scope?: number
}

/** A result in the shape of CNI 1.1.0. Other versions are converted on input and output. */
export interface CniResult {
  readonly interfaces: readonly ResultInterface[]
  readonly ips: readonly ResultIp[]
  readonly routes: readonly ResultRoute[]
  readonly dns: JsonObject
}

const ROUTE_NUMBERS = ['mtu', 'advmss', 'priority', 'table', 'scope'] as const

const isIpv4 = (address: string): boolean => !address.includes(':')

function textAt(object: unknown, key: string): string | undefined {
  const value = valueAt(object, key)
  return typeof value === 'string' && value !== '' ? value : undefined
}

function listAt(object: unknown, key: string): readonly unknown[] {
  const value = valueAt(object, key)
  return Array.isArray(value) ? value : []
}

function routeOf(route: unknown): ResultRoute {
  const gw = textAt(route, 'gw')
  const numbers = ROUTE_NUMBERS.flatMap((key) => {
    const value = valueAt(route, key)
    return typeof value === 'number' ? [[key, value] as const] : []
  })
  return { dst: textAt(route, 'dst') ?? '', ...(gw !== undefined && { gw }), ...Object.fromEntries(numbers) }
}

function ipOf(address: string, gateway: string | undefined, index: unknown): ResultIp {
  return {
    address,
    ...(gateway !== undefined && { gateway }),
    ...(typeof index === 'number' && { interface: index }),
  }
}

/** Versions 0.1.0 and 0.2.0 have at most one address per family, with its routes beside it. */
function readLegacy(object: JsonObject): Pick<CniResult, 'ips' | 'routes'> {
  const families = [valueAt(object, 'ip4'), valueAt(object, 'ip6')].filter(isJsonObject)
  return {
    ips: families.map((family) => ipOf(textAt(family, 'ip') ?? '', textAt(family, 'gateway'), undefined)),
    routes: families.flatMap((family) => listAt(family, 'routes').map(routeOf)),
  }
}

/** @throws PluginError kind `address` */
function requireAddresses(texts: readonly (string | undefined)[], parse: (text: string) => unknown): void {
  for (const text of texts) {
    if (text !== undefined && parse(text) === undefined) {
      throw new PluginError({ kind: 'address', text })
    }
  }
}

/** Reads a result of any version and checks its addresses and routes. @throws PluginError kind `address` */
export function readResult(object: JsonObject): CniResult {
  const { ips, routes } =
    isJsonObject(valueAt(object, 'ip4')) || isJsonObject(valueAt(object, 'ip6'))
      ? readLegacy(object)
      : {
          ips: listAt(object, 'ips').map((ip) =>
            ipOf(textAt(ip, 'address') ?? '', textAt(ip, 'gateway'), valueAt(ip, 'interface')),
          ),
          routes: listAt(object, 'routes').map(routeOf),
        }
  requireAddresses([...ips.map(({ address }) => address), ...routes.map(({ dst }) => dst)], tryParseCidr)
  requireAddresses([...ips.map(({ gateway }) => gateway), ...routes.map(({ gw }) => gw)], tryParseIp)
  const dns = valueAt(object, 'dns')
  const interfaces = listAt(object, 'interfaces').flatMap((item) => {
    const name = textAt(item, 'name')
    const [mac, sandbox, pciID] = [textAt(item, 'mac'), textAt(item, 'sandbox'), textAt(item, 'pciID')]
    const mtu = valueAt(item, 'mtu')
    return name === undefined
      ? []
      : [
          {
            name,
            ...(mac && { mac }),
            ...(sandbox && { sandbox }),
            ...(pciID && { pciID }),
            ...(typeof mtu === 'number' && { mtu }),
          },
        ]
  })
  return { interfaces, ips, routes, dns: isJsonObject(dns) ? dns : {} }
}

/** Parses what a plugin printed; `what` begins the decode error. @throws PluginError kinds `decode`, `address` */
export const parseResult = (text: string, what: string): CniResult => readResult(parseJsonObject(text, what))

function legacyFamily(result: CniResult, wantsIpv4: boolean): JsonObject | undefined {
  const ip = result.ips.find(({ address }) => isIpv4(address) === wantsIpv4)
  const routes = result.routes.filter(({ dst }) => isIpv4(dst) === wantsIpv4)
  return (
    ip && {
      ip: ip.address,
      ...(ip.gateway !== undefined && { gateway: ip.gateway }),
      ...(routes.length > 0 && { routes: routes.map(legacyRoute) }),
    }
  )
}

const legacyRoute = ({ dst, gw }: ResultRoute): JsonObject => ({ dst, ...(gw !== undefined && { gw }) })

const withoutNewKeys = ({ mtu: _mtu, pciID: _pciID, ...rest }: ResultInterface): JsonObject => rest

/** The result in the form of a version (the specification's "Result" sections, 0.1.0 to 1.1.0). */
export function resultDocument(result: CniResult, cniVersion: CniVersion): JsonObject {
  const hasDns = Object.keys(result.dns).length > 0
  const rank = rankOf(cniVersion)
  if (rank < rankOf('0.3.0')) {
    const [ip4, ip6] = [legacyFamily(result, true), legacyFamily(result, false)]
    return { cniVersion, ...(ip4 && { ip4 }), ...(ip6 && { ip6 }), ...(hasDns && { dns: result.dns }) }
  }
  const isCurrent = rank >= rankOf('1.1.0')
  const hasIpVersion = rank < rankOf('1.0.0')
  const interfaces = isCurrent ? result.interfaces : result.interfaces.map(withoutNewKeys)
  const ips = result.ips.map((ip) => (hasIpVersion ? { version: isIpv4(ip.address) ? '4' : '6', ...ip } : ip))
  const routes = isCurrent ? result.routes : result.routes.map(legacyRoute)
  return {
    cniVersion,
    interfaces,
    ...(ips.length > 0 && { ips }),
    ...(routes.length > 0 && { routes }),
    dns: result.dns,
  }
}
