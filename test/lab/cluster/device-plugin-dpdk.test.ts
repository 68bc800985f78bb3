import { afterEach, expect, test } from 'vitest'
import { startTestpmd } from '../devices/testpmd.js'
import { bindByHand } from '../host/drivers.js'
import { must, run } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { PF, vf } from '../host/virtual-functions.js'
import { asGranted, startDevicePlugin, stopDevicePlugin } from './device-plugin.js'

const host = untouchedHost()
// Before the host is compared: hooks run in reverse order.
afterEach(stopDevicePlugin)

const RESOURCE = 'intel.com/vfs'
const POOL = { resourceName: 'vfs', selectors: [{ pfNames: [PF] }] }

test('a vfio pool: testpmd runs with exactly the devices and the environment that Allocate gave', async () => {
  await must('modprobe', 'vfio-pci')
  await host.prepare(() => bindByHand(vf(4), 'vfio-pci'))
  const dpdk = { resourceName: 'dpdk', selectors: [{ pfNames: [PF], drivers: ['vfio-pci'] }] }
  const { kubelet, sees } = await startDevicePlugin([dpdk, POOL])
  await sees('intel.com/dpdk', 1, 1)
  await sees(RESOURCE, 6, 6)
  const { response } = await kubelet.admit('uid-a', 'intel.com/dpdk', 1)
  expect(response.devices.map(({ hostPath }) => hostPath)).toEqual([
    '/dev/vfio/vfio',
    expect.stringMatching(/^\/dev\/vfio\/\d+$/),
  ])
  const device = response.envs.PCIDEVICE_INTEL_COM_DPDK ?? ''
  expect(device).toBe(vf(4).pci)
  const within = asGranted(response)
  expect((await run('env', [...within, 'sh', '-c', 'ls /dev/vfio; env'])).stdout).toMatch(/^\d+\nvfio\n/)
  const testpmd = await startTestpmd({ device, mode: 'rxonly', within })
  expect(testpmd.portMac()).toMatch(/^[0-9a-f:]{17}$/)
  await sees('intel.com/dpdk', 1, 1)
  await testpmd.stop()
  await stopDevicePlugin()
  // vfio has reset the VF, and with it the MAC that the PF has for it.
  await host.prepare(async () => undefined)
})
