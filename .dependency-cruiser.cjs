/**
 * Which room may import which: entries → commands → sriov → ipam → state, pci, rtnl → host/ports (types).
 * errors, the codecs of netlink, the types of cni and pci/address are for all.
 */
const layers = [
  { name: 'errors', path: '^src/errors', may: [] },
  { name: 'netlink', path: '^src/netlink/', may: ['^src/errors', '^src/netlink/'] },
  { name: 'pci', path: '^src/pci/', may: ['^src/host/ports', '^src/pci/'] },
  { name: 'cni', path: '^src/cni/', may: ['^src/errors', '^src/cni/', '^src/netlink/', '^src/pci/address'] },
  { name: 'host', path: '^src/host/', may: ['^src/errors', '^src/host/', '^src/cni/', '^src/netlink/'] },
  {
    name: 'rtnl',
    path: '^src/rtnl/',
    may: ['^src/errors', '^src/host/(ports|errno)', '^src/netlink/', '^src/rtnl/', '^src/cni/', '^src/pci/address'],
  },
  {
    name: 'state',
    path: '^src/state/',
    may: ['^src/errors', '^src/host/ports', '^src/netlink/', '^src/pci/address', '^src/state/', '^src/cni/'],
  },
  { name: 'node', path: '^src/node/', may: ['^src/errors', '^src/host/ports', '^src/node/'] },
  { name: 'ipam', path: '^src/ipam', may: ['^src/errors', '^src/host/ports', '^src/cni/', '^src/state/'] },
  {
    name: 'sriov',
    path: '^src/sriov/',
    may: [
      '^src/errors',
      '^src/host/ports',
      '^src/cni/',
      '^src/netlink/',
      '^src/pci/',
      '^src/rtnl/',
      '^src/state/',
      '^src/ipam',
      '^src/sriov/',
    ],
  },
  {
    name: 'commands',
    path: '^src/commands/',
    may: ['^src/(errors|ipam)', '^src/host/ports', '^src/(cni|netlink|pci|rtnl|node|state|sriov|commands)/'],
  },
  {
    name: 'daemon',
    path: '^src/daemon/',
    may: ['^src/errors', '^src/host/', '^src/(cni|daemon)/', '^src/commands/handlers', '^src/state/lock-holders'],
  },
]

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
