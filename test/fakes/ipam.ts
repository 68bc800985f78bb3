import type { Program } from './machine/processes.js'

/** An IPAM result in the shape of CNI 1.0.0. */
export const IPAM_RESULT = {
  cniVersion: '1.0.0',
  ips: [
    { address: '10.56.0.5/24', gateway: '10.56.0.1' },
    { address: '2001:db8::5/64', gateway: '2001:db8::1' },
  ],
  routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }, { dst: '10.99.0.0/16', gw: '10.56.0.9' }],
  dns: { nameservers: ['10.56.0.1'] },
}

interface GcConf {
  readonly name: string
  readonly 'cni.dev/valid-attachments': readonly { readonly containerID: string; readonly ifname: string }[]
}

/** An IPAM plugin with a table of leases: a second ADD of one attachment is refused, DEL and GC always succeed. */
export function leaseProgram(result: object = IPAM_RESULT): Program {
  return ({ environment, stdin }, { leases }) => {
    const key = `${environment.CNI_CONTAINERID} ${environment.CNI_IFNAME}`
    switch (environment.CNI_COMMAND) {
      case 'ADD': {
        if (leases.has(key)) {
          return { status: 1, stdout: JSON.stringify({ code: 150, msg: 'has a lease already' }) }
        }
        leases.set(key, stdin)
        return { status: 0, stdout: JSON.stringify(result) }
      }
      case 'DEL':
        leases.delete(key)
        return { status: 0, stdout: '' }
      case 'GC': {
        const { name, 'cni.dev/valid-attachments': valid } = JSON.parse(stdin) as GcConf
        const known = valid.map(({ containerID, ifname }) => `${containerID} ${ifname}`)
        for (const [lease, given] of leases) {
          if (!known.includes(lease) && JSON.parse(given || '{}').name === name) {
            leases.delete(lease)
          }
        }
        return { status: 0, stdout: '' }
      }
      default:
        return leases.has(key)
          ? { status: 0, stdout: '' }
          : { status: 1, stdout: JSON.stringify({ code: 151, msg: 'has no lease' }) }
    }
  }
}

/** Fails at one verb with a CNI error, and works otherwise. */
export const failingAt = (verb: string, error: object, otherwise: Program = leaseProgram()): Program => {
  return (start, world) =>
    start.environment.CNI_COMMAND === verb ? { status: 1, stdout: JSON.stringify(error) } : otherwise(start, world)
}
