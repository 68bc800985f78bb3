/** What is wrong with the IPAM plugins that configurations name. */
import { valueAt } from '../../cni/json.js'
import { messageOf, PluginError } from '../../errors.js'
import { findIpamPlugin, unexecutablePlugin } from '../../ipam.js'
import type { CallHost } from '../../state/folder.js'
import type { Checked } from '../conf/validate.js'
import { runProgram } from '../programs.js'
import type { Finding } from './findings.js'

/** The versions that a plugin says it speaks; undefined when it does not say. */
async function versionsOf(host: CallHost, path: string): Promise<readonly unknown[] | undefined> {
  const environment = { CNI_COMMAND: 'VERSION', CNI_PATH: host.cniPath }
  const { stdout } = await runProgram(host, path, { environment, stdin: '{"cniVersion":"1.0.0"}' })
  try {
    const versions = valueAt(JSON.parse(stdout), 'supportedVersions')
    return Array.isArray(versions) ? versions : undefined
  } catch {
    return undefined
  }
}

async function problemWith(
  host: CallHost,
  type: string,
  cniVersion: string,
): Promise<Omit<Finding, 'subject'> | undefined> {
  let path: string
  try {
    path = findIpamPlugin(host, { type, stdin: '', environment: {} })
  } catch (error) {
    if (!(error instanceof PluginError)) {
      throw error
    }
    const unexecutable = unexecutablePlugin(host, type)
    return {
      id: 'ipam-missing',
      message: error.message,
      remedy:
        unexecutable !== undefined
          ? [`chmod 755 ${unexecutable}`]
          : [`# Install ${type} (the containernetworking plugins) where the runtime looks: /opt/cni/bin`],
    }
  }
  try {
    const versions = await versionsOf(host, path)
    return versions === undefined || versions.includes(cniVersion)
      ? undefined
      : {
          id: 'ipam-too-old',
          message: `${path} speaks ${versions.join(', ')}, and not the cniVersion ${cniVersion} of this network`,
          remedy: [`# Install a newer ${type}, or lower cniVersion in the configuration.`],
        }
  } catch (error) {
    return {
      id: 'ipam-too-old',
      message: `${path} does not start: ${messageOf(error)}`,
      remedy: [`# Install ${type} anew, for this machine.`],
    }
  }
}

export async function ipamFindings(host: CallHost, checked: readonly Checked[]): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const { network, conf } of checked) {
    const problem = conf?.ipamType === undefined ? undefined : await problemWith(host, conf.ipamType, conf.cniVersion)
    if (problem) {
      findings.push({ ...problem, subject: `${network.file}:${network.lineOf('ipam')}` })
    }
  }
  return findings
}
