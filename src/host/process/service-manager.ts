import type { Environment } from '../../cni/args.js'
import type { Addon } from '../addon.js'

/** Messages to systemd (sd_notify(3)). They do nothing when no service manager has asked for them. */
export interface ServiceManager {
  ready(): void
  stopping(): void
  /** Stops the timer that {@link serviceManager} started. */
  close(): void
}

/**
 * Tells systemd that this process is ready and that its event loop turns. systemd considers a process stuck that is
 * silent for WatchdogSec=; the message goes out twice in that time.
 */
export function serviceManager(addon: Addon, environment: Environment): ServiceManager {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdogUs } = environment
  const tell = (state: string): void => {
    if (socket !== undefined && socket !== '') {
      // Ignore the result: a service manager that does not listen must not end us.
      addon.notify(socket, Buffer.from(state))
    }
  }
  const intervalMs = Number(watchdogUs) / 1_000 / 2
  const timer = intervalMs >= 1 ? setInterval(() => tell('WATCHDOG=1'), intervalMs) : undefined
  timer?.unref()
  return {
    ready: () => tell('READY=1'),
    stopping: () => tell('STOPPING=1'),
    close: () => clearInterval(timer),
  }
}
