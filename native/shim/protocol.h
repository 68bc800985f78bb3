/*
 * The protocol between the launcher and the resident process. The other side is
 * src/daemon/protocol.ts; a test compares the numbers. All numbers are
 * little-endian.
 *
 * Request: magic, version, length of the frame, length of the environment
 * (u32 each), device and inode of the caller's network namespace (u64 each);
 * the environment, each string with its NUL; stdin up to the end. The first
 * byte may carry one descriptor (SCM_RIGHTS): the namespace behind CNI_NETNS.
 *
 * Answer: magic, version, length of the frame, kind (u32 each). ANSWER_ACK:
 * the request is complete, and its execution begins. ANSWER_RESULT: exit code
 * and length of stdout (u32 each), stdout, stderr up to the end. Either side
 * drops a request by closing the connection.
 */
#ifndef SRIOV_SHIM_PROTOCOL_H
#define SRIOV_SHIM_PROTOCOL_H

#define PROTOCOL_MAGIC 0x31495253u /* "SRI1" */
#define PROTOCOL_VERSION 1u

#define REQUEST_HEADER_BYTES 32u
#define MAX_REQUEST_BYTES (1024u * 1024)

#define ANSWER_HEADER_BYTES 16u
#define RESULT_HEADER_BYTES 24u
#define MAX_ANSWER_BYTES (64u * 1024 * 1024)

#define ANSWER_ACK 1u
#define ANSWER_RESULT 2u

#define RESIDENT_SOCKET "/run/sriov-cni/daemon.sock"
#define RESIDENT_SOCKET_VARIABLE "SRIOV_CNI_SOCKET"

/* Set when the plugin repeats a call whose answer never came: to when the call began, in milliseconds since 1970. */
#define REPEATED_VARIABLE "SRIOV_CNI_AGAIN"

#endif
