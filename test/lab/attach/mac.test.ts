import { describe, expect, test } from 'vitest'
import { add, type CallOptions, type Conf, DEFAULT_IFNAME, del, netConf } from '../calls/plugin.js'
import { newPod } from '../calls/pods.js'
import { callsByResident } from '../calls/resident.js'
import { link, settingsOf } from '../host/kernel-view.js'
import { ip } from '../host/process.js'
import { untouchedHost } from '../host/untouched-host.js'
import { vf } from '../host/virtual-functions.js'

const host = untouchedHost()
callsByResident()

const MAC = (last: number): string => `02:00:00:00:01:0${last}`

interface Row {
  readonly name: string
  readonly conf: Conf
  readonly options?: CallOptions
  readonly mac: string
}

const inArgs: CallOptions = { env: { CNI_ARGS: `IgnoreUnknown=true;MAC=;MAC=${MAC(2)}` } }
const nested: Conf = { args: { cni: { mac: MAC(3) } } }
const runtime: Conf = { capabilities: { mac: true }, runtimeConfig: { mac: MAC(4) } }

const SOURCES: readonly Row[] = [
  { name: 'mac in the configuration', conf: { mac: MAC(1) }, mac: MAC(1) },
  { name: 'mac in dashes and capitals', conf: { mac: '02-00-00-00-0A-BC' }, mac: '02:00:00:00:0a:bc' },
  { name: 'args.cni.mac, before mac', conf: { mac: MAC(1), ...nested }, mac: MAC(3) },
  {
    name: 'MAC of CNI_ARGS, before args.cni.mac',
    conf: { mac: MAC(1), ...nested },
    options: inArgs,
    mac: MAC(2),
  },
  {
    name: 'runtimeConfig.mac, before all',
    conf: { mac: MAC(1), ...nested, ...runtime },
    options: inArgs,
    mac: MAC(4),
  },
  {
    name: 'mac, when the capability of runtimeConfig.mac is declared false',
    conf: { mac: MAC(1), capabilities: { mac: false }, runtimeConfig: { mac: MAC(4) } },
    mac: MAC(1),
  },
]

async function addHasMac(target: ReturnType<typeof vf>, { conf, options, mac }: Omit<Row, 'name'>): Promise<void> {
  const pod = await newPod()
  const full = netConf(target, conf)
  const result = await add(pod, full, options)
  expect(result.interfaces[0]).toMatchObject({ mac })
  expect(await link(DEFAULT_IFNAME, pod)).toMatchObject({ address: mac })
  expect(await settingsOf(target)).toMatchObject({ address: mac })
  await del(pod, full, options)
}

describe('the MAC of the pod and of the PF', () => {
  test.each(SOURCES)('is $name', async (row) => {
    await addHasMac(vf(1), row)
  })

  test.each([{}, { trust: 'off' }, { trust: 'on' }] as const)('is set with %j in the configuration', async (trust) => {
    await addHasMac(vf(2), { conf: { mac: MAC(5), ...trust }, mac: MAC(5) })
  })

  test.each([{}, { trust: 'off' }, { trust: 'on' }] as const)(
    'is set on a VF that the host trusts, with %j',
    async (trust) => {
      await host.prepare(() => ip('link set dev ens1f0 vf 2 trust on'))
      await addHasMac(vf(2), { conf: { mac: MAC(6), ...trust }, mac: MAC(6) })
    },
  )

  test.each([{}, { trust: 'on' }] as const)('replaces an administered one of the host, with %j', async (trust) => {
    await host.prepare(async () => {
      await ip('link set dev ens1f0 vf 2 mac 02:00:00:00:0f:01')
      await ip('link set dev ens1f0v2 up')
      await ip('link set dev ens1f0v2 down')
    })
    await addHasMac(vf(2), { conf: { mac: MAC(7), ...trust }, mac: MAC(7) })
  })

  test('of one attachment does not stay for the next one on the same VF', async () => {
    const own = (await link('ens1f0v3')).address
    await addHasMac(vf(3), { conf: { mac: MAC(8) }, mac: MAC(8) })
    await addHasMac(vf(3), { conf: {}, mac: own })
    await addHasMac(vf(3), { conf: { mac: MAC(9) }, mac: MAC(9) })
  })
})
