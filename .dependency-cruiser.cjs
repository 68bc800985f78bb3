/**
 * Which room may import which: entries → operator → commands, daemon → sriov, ipam → state → policy → node, pci, rtnl → host/ports (types).
 * errors, the codecs of netlink, the types of cni and pci/address are for all. The rooms of sriov import downwards, too.
 */
const layers = [
  { name: 'errors', path: '^src/errors', may: [] },
  { name: 'netlink', path: '^src/netlink/', may: ['^src/errors', '^src/netlink/'] },
  { name: 'pci', path: '^src/pci/', may: ['^src/host/(ports|poll)', '^src/pci/'] },
  { name: 'cni', path: '^src/cni/', may: ['^src/errors', '^src/cni/', '^src/netlink/', '^src/pci/address'] },
  { name: 'host', path: '^src/host/', may: ['^src/errors', '^src/host/', '^src/cni/', '^src/netlink/'] },
  {
    name: 'rtnl',
    path: '^src/rtnl/',
    may: [
      '^src/errors',
      '^src/host/(ports|poll|errno)',
      '^src/netlink/',
      '^src/rtnl/',
      '^src/cni/',
      '^src/pci/address',
    ],
  },
  {
    name: 'node',
    path: '^src/node/',
    may: ['^src/errors', '^src/host/(ports|poll)', '^src/cni/json', '^src/node/', '^src/pci/'],
  },
  {
    name: 'policy',
    path: '^src/policy/',
    may: ['^src/errors', '^src/host/(ports|poll)', '^src/(cni|pci|node|policy)/'],
  },
  {
    name: 'state',
    path: '^src/state/',
    may: [
      '^src/policy/',
      '^src/errors',
      '^src/host/(ports|poll)',
      '^src/netlink/',
      '^src/pci/address',
      '^src/node/',
      '^src/state/',
      '^src/cni/',
    ],
  },
  { name: 'ipam', path: '^src/ipam', may: ['^src/errors', '^src/host/(ports|poll)', '^src/cni/', '^src/state/'] },
  {
    name: 'commands',
    path: '^src/commands/',
    may: [
      '^src/(errors|ipam)',
      '^src/host/(ports|poll)',
      '^src/(cni|netlink|pci|rtnl|node|policy|state|sriov|commands)/',
    ],
  },
  {
    name: 'daemon',
    path: '^src/daemon/',
    may: [
      '^src/errors',
      '^src/host/',
      '^src/(cni|daemon)/',
      '^src/policy/policy',
      '^src/commands/handlers',
      '^src/node/lock-holders',
    ],
  },
  { name: 'kubelet', path: '^src/kubelet/', may: ['^src/errors', '^src/kubelet/', '^src/pci/address'] },
  {
    name: 'metrics',
    path: '^src/metrics/',
    may: [
      '^src/errors',
      '^src/host/(ports|poll)',
      '^src/(netlink|rtnl|state|metrics)/',
      '^src/sriov/(netdev|survey|users)/',
    ],
  },
  {
    name: 'pool',
    path: '^src/pool/',
    may: [
      '^src/errors',
      '^src/host/',
      '^src/(cni|pci|node|policy|state|kubelet|metrics|pool)/',
      '^src/sriov/(device|survey|users)/',
    ],
  },
  {
    name: 'operator',
    path: '^src/operator/',
    may: [
      '^src/(errors|ipam)',
      '^src/host/(ports|poll)',
      '^src/(cni|netlink|pci|rtnl|node|policy|state|sriov|commands|operator)/',
      '^src/daemon/(protocol|probe|run)',
      '^src/kubelet/pod-resources',
      '^src/pool/(options|conf/|devices/)',
      '^src/host/sockets/listen',
    ],
  },
]

/** The rooms of sriov, and which of them each may import beside itself. */
const rooms = {
  device: [],
  netdev: [],
  pf: ['device'],
  users: ['device', 'netdev'],
  driver: ['users'],
  'give-back': ['device', 'pf', 'netdev', 'driver', 'users'],
  allocation: ['device', 'users', 'give-back'],
  survey: ['device', 'users'],
  attach: ['device', 'pf', 'netdev', 'driver', 'users', 'give-back', 'allocation'],
}
const belowSriov = [
  '^src/errors',
  '^src/host/(ports|poll)',
  '^src/(cni|netlink|pci|rtnl|node|policy|state)/',
  '^src/ipam',
]
for (const [room, others] of Object.entries(rooms)) {
  layers.push({
    name: `sriov-${room}`,
    path: `^src/sriov/${room}/`,
    may: [...belowSriov, ...[room, ...others].map((one) => `^src/sriov/${one}/`)],
  })
}

const edges = ['^(node:)?(fs|child_process|net|os|dgram|worker_threads)(/|$)']

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: { path: '^src' }, to: { circular: true } },
    ...layers.map(({ name, path, may }) => ({
      name: `${name}-imports-downwards`,
      severity: 'error',
      from: { path },
      to: { path: '^src', pathNot: may },
    })),
    {
      name: 'every-file-of-sriov-has-a-room',
      severity: 'error',
      from: {},
      to: { path: `^src/sriov/(?!(${Object.keys(rooms).join('|')})/)` },
    },
    {
      name: 'only-host-touches-the-machine',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/(host/|start\\.ts)' },
      to: { path: edges },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
  },
}
