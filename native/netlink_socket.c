#include "mechanisms.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A PF with hundreds of VFs answers in one datagram of more than 64 KiB. */
static const int RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

int netlink_socket_open(int netns_fd, int protocol, int groups)
{
	int result = 0;
	int back_fd = netns_enter(netns_fd, &result);
	int fd = -1;
	int on = 1;

	if (result < 0)
		return result;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (fd < 0) {
		result = -errno;
		goto out;
	}
	struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = (unsigned int)groups };
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		result = -errno;
		goto out;
	}
	/* Best effort: without these options, on old kernels, answers are only less precise. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &RECEIVE_BUFFER_BYTES,
			 sizeof(RECEIVE_BUFFER_BYTES));
	result = fd;
	fd = -1;
out:
	if (fd >= 0)
		close(fd);
	netns_leave(back_fd);
	return result;
}

int netlink_socket_send(int fd, const void *bytes, size_t length)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t sent;

	do {
		sent = sendto(fd, bytes, length, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

void netlink_socket_drain(int fd, size_t limit)
{
	for (size_t count = 0; count < limit; count++) {
		ssize_t size = recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC);

		/* ENOBUFS tells of what did not fit, once. */
		if (size < 0 && errno != EINTR && errno != ENOBUFS)
			return;
	}
}

ssize_t netlink_socket_next_size(int fd, int timeout_ms)
{
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	ssize_t size;
	int count;

	do {
		count = poll(&ready, 1, timeout_ms);
	} while (count < 0 && errno == EINTR);
	if (count < 0)
		return -errno;
	if (count == 0)
		return -ETIMEDOUT;
	do {
		size = recv(fd, NULL, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
	} while (size < 0 && errno == EINTR);
	return size < 0 ? -errno : size;
}

ssize_t netlink_socket_receive(int fd, void *bytes, size_t capacity)
{
	struct sockaddr_nl sender;
	socklen_t sender_length = sizeof(sender);
	ssize_t received;

	memset(&sender, 0, sizeof(sender));
	do {
		received = recvfrom(fd, bytes, capacity, MSG_DONTWAIT,
				    (struct sockaddr *)&sender, &sender_length);
	} while (received < 0 && errno == EINTR);
	if (received < 0)
		return -errno;
	/* Other processes can send to us; only the kernel's port is 0. Length 0: no answer. */
	return sender.nl_pid == 0 ? received : 0;
}
