/** The command line of sriovctl. */
import { Command, Option } from 'commander'
import { LOG_LEVELS } from '../cni/log-levels.js'
import type { Resident } from '../daemon/probe.js'
import { RESIDENT_SOCKET } from '../daemon/protocol.js'
import { DEFAULT_POOL_OPTIONS } from '../pool/options.js'
import { addConf } from './conf/verbs.js'
import { addLook } from './look/verbs.js'
import { addMend } from './mend/verbs.js'
import type { Output } from './output.js'
import { addPf } from './pf/verbs.js'
import { addReport } from './report/verbs.js'
import { addText } from './text/verbs.js'
import { type AddVerbs, absolutePath, helpEnd, listenAt, type Verbs } from './verb.js'

const PROBED: Readonly<Record<Resident['reaction'], string>> = {
  answered: 'it answers\n',
  absent: 'nobody listens\n',
  hung: 'its socket is there, and nobody answers\n',
}

/** Tells how a process reacts to a question. Returns the exit code: 0 when it answers. */
function told(out: Output, reaction: Resident['reaction']): number {
  out.write(PROBED[reaction])
  return reaction === 'answered' ? 0 : 1
}

const addDaemon: AddVerbs = (program, { surroundings, finish }) => {
  const socketText = `where to listen; the plugin looks elsewhere only by SRIOV_CNI_SOCKET (default: ${RESIDENT_SOCKET})`
  program
    .command('daemon')
    .description(
      'carry out the calls of the plugin in one resident process, which saves each of them the start of Node.js',
    )
    .option('--socket <path>', socketText, absolutePath)
    .addOption(new Option('--log-level <level>', 'how much to log (default: info)').choices([...LOG_LEVELS]))
    .option('--log-file <file>', 'appended to; stderr otherwise')
    .option('--probe', 'only ask the one that runs whether it answers')
    .addHelpText(
      'after',
      helpEnd(
        ['sriovctl daemon --log-level debug', 'sriovctl daemon --probe'],
        'when it cannot go on, or does not answer',
      ),
    )
    .action(async ({ socket, logLevel, logFile, probe }) => {
      if (probe) {
        finish(told(surroundings.out, await surroundings.probeResident()))
        return
      }
      finish(
        await surroundings.runDaemon({
          ...(socket !== undefined && { socketPath: socket }),
          ...(logLevel !== undefined && { logLevel }),
          ...(logFile !== undefined && { logFile }),
        }),
      )
    })
}

const addDevicePlugin: AddVerbs = (program, { surroundings, finish }) => {
  program
    .command('device-plugin')
    .description('offer the VFs of this node to kubelet, by the configuration of the SR-IOV network device plugin')
    .addOption(
      new Option('--config <file>', 'the resources').default(DEFAULT_POOL_OPTIONS.conf).argParser(absolutePath),
    )
    .option('--rdma-config <file>', 'resources whose pods share RDMA devices', absolutePath)
    .option('--metrics <where>', 'serve metrics for Prometheus: 127.0.0.1:9808, or the path of a socket', listenAt)
    .option('--resource-prefix <domain>', 'for resources that name no prefix', DEFAULT_POOL_OPTIONS.prefix)
    .addOption(new Option('--log-level <level>', 'how much to log (default: info)').choices([...LOG_LEVELS]))
    .option('--log-file <file>', 'appended to; stderr otherwise')
    .option('--probe', 'only ask the one that runs whether it answers')
    .addHelpText('after', helpEnd(['sriovctl device-plugin --config /etc/pcidp/config.json']))
    .action(async ({ config, rdmaConfig, metrics, resourcePrefix, logLevel, logFile, probe }) => {
      if (probe) {
        finish(told(surroundings.out, await surroundings.askDevicePlugin()))
        return
      }
      finish(
        await surroundings.runDevicePlugin({
          conf: config,
          prefix: resourcePrefix,
          ...(rdmaConfig !== undefined && { rdmaConf: rdmaConfig }),
          ...(metrics !== undefined && { metrics }),
          ...(logLevel !== undefined && { logLevel }),
          ...(logFile !== undefined && { logFile }),
        }),
      )
    })
}

/** The program, ready to parse. */
export function makeProgram(verbs: Verbs): Command {
  const program = new Command('sriovctl')
    .description('Shows and mends what the sriov CNI plugin does on this node.')
    .helpCommand(false)
    .showHelpAfterError('(see sriovctl --help)')
    .addHelpText('after', helpEnd(['sriovctl status', 'sriovctl doctor', 'sriovctl why shop/cart-0']))
    .exitOverride()
    .configureOutput({ writeOut: (text) => verbs.surroundings.out.write(text) })
  for (const add of [addLook, addConf, addMend, addPf, addReport, addDaemon, addDevicePlugin, addText]) {
    add(program, verbs)
  }
  for (const command of program.commands) {
    command.copyInheritedSettings(program)
  }
  return program
}
