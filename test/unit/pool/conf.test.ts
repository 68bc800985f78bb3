import { describe, expect, test } from 'vitest'
import { readPoolConf } from '../../../src/pool/conf/conf.js'

const read = (...resourceList: object[]) => readPoolConf(JSON.stringify({ resourceList }), 'config.json')
const problemsOf = (resource: object) => read(resource).issues.map(({ key, problem }) => `${key} ${problem}`)

describe('the file of the SR-IOV network device plugin', () => {
  test('is read as its documentation has it', () => {
    const { resources, issues, ignored } = read(
      {
        resourceName: 'intel_sriov_netdevice',
        selectors: [
          { vendors: ['8086'], devices: ['154c', '10ED'], drivers: ['i40evf', 'iavf', 'ixgbevf'] },
          { pfNames: ['ens1f0#0,2-7'], isRdma: true, needVhostNet: true },
        ],
        additionalInfo: { '*': { token: 'a' } },
      },
      {
        resourceName: 'mlnx-rdma',
        resourcePrefix: 'mellanox.com',
        selectors: { vendors: ['15b3'], isRdma: true, linkTypes: ['infiniband'], pKeys: ['0x8001'] },
        excludeTopology: true,
      },
      { resourceName: 'fpga', deviceType: 'accelerator', selectors: [{ acpiIndexes: ['101'] }] },
    )
    expect(issues).toEqual([])
    expect(ignored).toEqual([])
    expect(resources).toEqual([
      {
        resource: 'intel.com/intel_sriov_netdevice',
        deviceType: 'netDevice',
        choices: [
          {
            selectors: { vendors: ['8086'], devices: ['154c', '10ed'], drivers: ['i40evf', 'iavf', 'ixgbevf'] },
            isRdma: false,
            needsVhostNet: false,
          },
          {
            selectors: {
              pfNames: [
                {
                  pf: 'ens1f0',
                  indexes: [
                    [0, 0],
                    [2, 7],
                  ],
                },
              ],
              isRdma: true,
            },
            isRdma: true,
            needsVhostNet: true,
          },
        ],
        excludesTopology: false,
        additionalInfo: { '*': { token: 'a' } },
        healthFromCarrier: false,
        cdi: false,
      },
      expect.objectContaining({ resource: 'mellanox.com/mlnx-rdma', excludesTopology: true }),
      expect.objectContaining({ deviceType: 'accelerator' }),
    ])
  })

  test('may spell keys as Go takes them, and have null and empty lists for what is not set', () => {
    const { resources, issues } = read({
      ResourceName: 'a',
      selectors: [{ PfNames: ['x'], vendors: null, ddpProfiles: [], vdpaType: '' }],
      additionalInfo: null,
    })
    expect(issues).toEqual([])
    expect(resources[0]?.choices[0]?.selectors).toEqual({ pfNames: [{ pf: 'x' }] })
  })

  test.each<[object, RegExp]>([
    [
      { resourceName: 'a', selectors: [{ ddpProfiles: ['gtp'] }] },
      /resourceList\[0\]\.selectors\[0\]\.ddpProfiles is not/,
    ],
    [
      { resourceName: 'a', selectors: { vdpaType: 'virtio' } },
      /resourceList\[0\]\.selectors\.vdpaType is not supported/,
    ],
    [{ resourceName: 'a', deviceType: 'auxNetDevice' }, /deviceType must be netDevice or accelerator/],
    [{ resourceName: 'a', selectors: [{ pfname: ['x'] }] }, /selectors\[0\]\.pfname is not known; known are pfNames/],
    [{ resourceName: 'a', selectors: [{ vendors: '8086' }] }, /selectors\[0\]\.vendors must be a list/],
    [{ resourceName: 'a', selectors: ['x'] }, /selectors must be an object, or a list of objects/],
    [{ resourceName: 'a.b' }, /resourceName kubelet takes only letters/],
    [{ resourceName: '-a' }, /resourceName kubelet takes only letters/],
    [{ resourceName: '25g', cdi: true }, /cdi the runtime takes no names that begin with a digit: intel\.com\/25g/],
    [{ resourceName: 'a', resourcePrefix: '3com.com', cdi: true }, /cdi the runtime takes no names .*: 3com\.com\/a/],
    [{ resourceName: 'a', resourcePrefix: 'kubernetes.io' }, /resourcePrefix kubelet takes no names of kubernetes\.io/],
    [{ resourceName: 'a', resourcePrefix: 'Intel' }, /resourcePrefix kubelet takes only a domain name/],
    [{ selectors: [] }, /resourceName is missing/],
    [{ resourceName: 'a', additionalInfo: { '*': 'x' } }, /additionalInfo/],
    [{ resourceName: 'a', preferredAllocation: 'random' }, /preferredAllocation must be spread or pack/],
    [{ resourceName: 'a', selectors: [{ pfNames: ['x#3-1'] }] }, /selectors\[0\]\.pfNames must be a list/],
  ])('%j is refused by name, and the rest is served', (wrong, problem) => {
    const { resources, issues } = read(wrong, { resourceName: 'good' })
    expect(resources.map(({ resource }) => resource)).toEqual(['intel.com/good'])
    expect(issues).toHaveLength(1)
    expect(problemsOf(wrong)[0]).toMatch(problem)
  })

  test('may have keys that nobody knows where they choose nothing: they are told', () => {
    const { resources, ignored } = read({ resourceName: 'a', _comment: 'mine' })
    expect(resources).toHaveLength(1)
    expect(ignored).toEqual(['resourceList[0]._comment'])
  })

  test('names a resource once', () => {
    const { resources, issues } = read({ resourceName: 'a' }, { resourceName: 'a', selectors: [{ vendors: ['8086'] }] })
    expect(resources).toHaveLength(1)
    expect(issues[0]?.problem).toBe('is not the first intel.com/a')
  })

  test.each([
    ['', /decode|unexpected|JSON/i],
    ['[]', /./],
    ['{}', /must be a list of at most/],
    ['{"resourceList": {}}', /must be a list of at most/],
    [`{"resourceList": ${'['.repeat(5_000)}`, /nested/],
  ])('%s is no such file', (text, problem) => {
    const { resources, issues } = readPoolConf(text, 'config.json')
    expect(resources).toEqual([])
    expect(issues[0]?.problem).toMatch(problem)
  })
})
