/**
 * Causes of messages. The sentences of kubelet are those of pkg/kubelet/cm/devicemanager and of the scheduler; that of
 * Multus comes when the annotation k8s.v1.cni.cncf.io/resourceName is missing or the pod asks for no resource.
 */
import { LEASE_FOLDER } from '../doctor/leases.js'

interface Cause {
  readonly sentence: RegExp
  readonly hint: string
}

const CAUSES: readonly Cause[] = [
  {
    sentence: /cannot allocate unhealthy devices/i,
    hint: 'Kubelet: the device plugin reports the VFs of this resource as unhealthy: its PF is down or gone, or the device plugin has just restarted. Look at sriovctl status and at the device plugin.',
  },
  {
    sentence: /cannot allocate unregistered device/i,
    hint: 'Kubelet: the resource is known, but no device plugin has registered it since kubelet started. Start the device plugin; a pod in this state must be created again.',
  },
  {
    sentence: /UnexpectedAdmissionError/,
    hint: 'Kubelet admitted the pod to this node and then found no device for it. The rest of the event says why. The pod does not try again: delete it.',
  },
  {
    sentence: /Insufficient \S+\/\S+/,
    hint: 'Scheduler: no node has a free device of this resource. sriovctl status tells for this node who has the VFs; kubectl describe node tells what kubelet counts.',
  },
  {
    sentence: /VF pci addr is required|deviceID: is missing|Either .* must be/i,
    hint: 'The plugin was given no device. The network definition needs the annotation k8s.v1.cni.cncf.io/resourceName, and the pod must request that resource; or the configuration names a PF (master) or selectors.',
  },
  {
    sentence: /cannot find a network-attachment-definition|could not find network attachment definition/i,
    hint: "Multus: the network in the pod's annotation does not exist in that namespace. kubectl get net-attach-def -A",
  },
  {
    sentence: /context deadline exceeded/i,
    hint: 'The runtime has waited in vain: a call hangs, or has taken too long. sriovctl status names the process that is at work on a VF, sriovctl logs says how long calls took. An IPAM plugin may wait for a lock or for its server.',
  },
  {
    sentence: /no IP addresses available in range set/i,
    hint: `host-local has leased every address of this range. Its leases are the files in ${LEASE_FOLDER}/NAME, each with the container that has it: remove those of containers that are gone, or widen the range. sriovctl doctor names those that are empty: no DEL frees them.`,
  },
  {
    sentence: /failed to find plugin "sriov"/i,
    hint: "The runtime does not find the plugin in its folder of CNI plugins (usually /opt/cni/bin). Install it there, and look at the runtime's configuration of that folder.",
  },
]

/** What the codes of our own answers ask for; docs/troubleshooting.md says more. */
const BY_CODE: Readonly<Record<number, string>> = {
  7: 'Mend the configuration (sriovctl validate FILE), or allow it in /etc/sriov-cni/policy.json.',
  8: "The pod's network namespace is not what it should be: a runtime that restarts, or a path of another mount namespace.",
  11: 'The runtime tries again by itself. sriovctl status tells who has the VFs.',
  100: 'The kernel or the driver refused. The log of the kernel (dmesg) usually has a line of the driver from the same second.',
  101: 'The device is not what the configuration says. sriovctl status lists the devices.',
  102: 'sriovctl status tells who has the VF. A dead pod is undone by the next call, or by sriovctl gc --apply.',
  105: 'The IPAM plugin refused. The message has its own words.',
  106: 'A file below /var/lib/cni/sriov cannot be used. sriovctl doctor says which, and what to do.',
  109: 'The VF could not be given back. The runtime tries again; sriovctl doctor says what holds it.',
}

/** What an operator can do about a message, most certain first. `code` is that of our own answer. */
export function hintsFor(message: string, code?: number): readonly string[] {
  const known = CAUSES.filter(({ sentence }) => sentence.test(message)).map(({ hint }) => hint)
  const own = code === undefined ? undefined : BY_CODE[code]
  return own === undefined ? known : [...known, own]
}
