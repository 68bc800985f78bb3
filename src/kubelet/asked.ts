/** What sriovctl asks kubelet and the container runtime. A bundle of its own: gRPC takes long to load. */
export { type PodName, podsOfDevices } from './pod-resources.js'
export { liveSandboxes } from './sandboxes.js'
