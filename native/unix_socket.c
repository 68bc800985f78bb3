#include "mechanisms.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const mode_t OWNER_ONLY = 0600;

int unix_listen(const char *path, int backlog)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	int result;

	if (length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, length + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* No client can connect before listen(2), so chmod(2) comes early enough. */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || chmod(path, OWNER_ONLY) < 0 ||
	    listen(fd, backlog) < 0) {
		result = -errno;
		close(fd);
		return result;
	}
	return fd;
}

int unix_notify(const char *path, const void *bytes, size_t length)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t path_length = strlen(path);
	int result = 0;

	if (path_length == 0 || path_length >= sizeof(address.sun_path))
		return -EINVAL;
	memcpy(address.sun_path, path, path_length + 1);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_length);
	if (sendto(fd, bytes, length, MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
		result = -errno;
	close(fd);
	return result;
}

int unix_accept(int listener_fd, struct unix_peer *peer)
{
	struct ucred credentials;
	socklen_t length = sizeof(credentials);
	int fd;

	do {
		fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	} while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return -errno;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0) {
		int result = -errno;
		close(fd);
		return result;
	}
	peer->uid = credentials.uid;
	peer->pid = credentials.pid;
	return fd;
}

/* Returns the first descriptor of a message, or FD_NONE, and closes all others. */
static int take_descriptor(struct msghdr *message)
{
	int taken = FD_NONE;

	for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
	     header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
			if (taken == FD_NONE)
				taken = fd;
			else
				close(fd);
		}
	}
	return taken;
}

ssize_t unix_receive(int fd, void *bytes, size_t capacity, int *passed_fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = bytes, .iov_len = capacity };
	struct msghdr message = { .msg_iov = &part,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  /* The padding of CMSG_SPACE would fit a second one. */
				  .msg_controllen = CMSG_LEN(sizeof(int)) };
	ssize_t received;

	*passed_fd = FD_NONE;
	do {
		received = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (received < 0 && errno == EINTR);
	if (received < 0)
		return -errno;
	*passed_fd = take_descriptor(&message);
	return received;
}

ssize_t unix_send(int fd, const void *bytes, size_t length)
{
	ssize_t sent;

	do {
		sent = send(fd, bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : sent;
}

int unix_is_hung_up(int fd)
{
	struct pollfd state = { .fd = fd, .events = POLLRDHUP };
	int count;

	do {
		count = poll(&state, 1, 0);
	} while (count < 0 && errno == EINTR);
	return count < 0 ? -errno : count > 0;
}
