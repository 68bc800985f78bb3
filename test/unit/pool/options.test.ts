import { expect, test } from 'vitest'
import { devicePluginOptions } from '../../../src/device-plugin.js'
import { socketNameOf } from '../../../src/pool/socket-name.js'

const DEFAULTS = { conf: '/etc/pcidp/config.json', prefix: 'intel.com' }

test.each([
  [[], DEFAULTS],
  [
    ['--config', '/etc/x.json', '--rdma-config', '/etc/y.json', '--resource-prefix', 'a.io', '--log-level', 'debug'],
    { conf: '/etc/x.json', rdmaConf: '/etc/y.json', prefix: 'a.io', logLevel: 'debug' },
  ],
  [['--config', 'x.json'], undefined],
  [['--rdma-config', 'x.json'], undefined],
  [['--help'], undefined],
  [['--log-level', 'loud'], undefined],
])('%j are %j: what is undefined is for the operator’s command to answer', (words, options) => {
  expect(devicePluginOptions(words)).toEqual(options)
})

test('the socket of a resource has a name that fits into its path, and no two have one name', () => {
  const folder = '/var/lib/kubelet/plugins_registry'
  expect(socketNameOf(folder, 'intel.com/vfs')).toBe('sriov-cni-intel.com_vfs.sock')
  const [long, other] = ['a', 'b'].map((end) => socketNameOf(folder, `${'x'.repeat(250)}.io/vfs-${end}`))
  expect(`${folder}/${long}`.length).toBeLessThan(108)
  expect(long).not.toBe(other)
})
