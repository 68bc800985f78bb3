#include "mechanisms.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int frame_send(int netns_fd, int interface_index, const void *bytes, size_t length)
{
	int result = 0;
	int back_fd = netns_enter(netns_fd, &result);
	int fd = -1;

	if (result < 0)
		return result;
	/* Protocol 0: the socket only sends, and receives no copy of the pod's traffic. */
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		result = -errno;
		goto out;
	}
	struct sockaddr_ll destination = {
		.sll_family = AF_PACKET,
		.sll_ifindex = interface_index,
		.sll_halen = 6,
	};
	if (length >= 14) {
		memcpy(destination.sll_addr, bytes, 6);
		memcpy(&destination.sll_protocol, (const char *)bytes + 12, 2);
	}
	ssize_t sent;
	do {
		sent = sendto(fd, bytes, length, MSG_DONTWAIT, (struct sockaddr *)&destination,
			      sizeof(destination));
	} while (sent < 0 && errno == EINTR);
	if (sent < 0) {
		result = -errno;
		close(fd);
		fd = -1;
	}
out:
	netns_leave(back_fd);
	return fd < 0 ? result : fd;
}
