import type { Environment } from '../cni/args.js'
import type { Addon } from './addon.js'

/** What systemd is told (sd_notify(3)); all of it is nothing where no service manager has asked. */
export interface ServiceManager {
  ready(): void
  stopping(): void
  /** Ends what {@link serviceManager} began. */
  close(): void
}

/**
 * Tells systemd that this process is there, and that its event loop turns: twice in the time after which systemd takes a
 * process that says nothing for stuck (WatchdogSec=).
 */
export function serviceManager(addon: Addon, environment: Environment): ServiceManager {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: watchdogUs } = environment
  const tell = (state: string): void => {
    if (socket !== undefined && socket !== '') {
      // Without an answer: a service manager that does not listen must not end us.
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
