/** What differs between the demo's networks. */
export interface DemoNetwork {
  readonly deviceID: string
  readonly vlan: number
  readonly mac: string
}

/** A conflist as an operator would write it; only the VF, the VLAN and the MAC differ from pod to pod. */
export const demoNetwork = ({ deviceID, vlan, mac }: DemoNetwork): object => ({
  cniVersion: '1.0.0',
  name: 'demo',
  plugins: [
    {
      type: 'sriov',
      deviceID,
      vlan,
      mac,
      ipam: { type: 'host-local', dataDir: '/run/demo/ipam', ranges: [[{ subnet: '10.100.0.0/24' }]] },
    },
  ],
})
