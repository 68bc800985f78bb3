#include "resident.h"

#include "protocol.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* Without an ACK by then the resident process hangs or is stopped: the call goes on without it. */
static const int ACK_TIMEOUT_MS = 2000;

/* Trust only root and our own user: others could read secrets and forge answers. */
static bool is_trusted(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* The socket is non-blocking, so a full backlog refuses at once (EAGAIN). */
static int open_socket(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);

	if (length >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, length + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && is_trusted(fd))
		return fd;
	close(fd);
	return -1;
}

static bool send_request(int fd, const struct bytes *request, int passed_fd, int64_t deadline_ms)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { .iov_base = request->data, .iov_len = request->length };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (passed_fd >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &passed_fd, sizeof(int));
	}
	while (part.iov_len > 0) {
		ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (sent >= 0) {
			part.iov_base = (char *)part.iov_base + sent;
			part.iov_len -= (size_t)sent;
			/* The descriptor went with the first byte. */
			message.msg_control = NULL;
			message.msg_controllen = 0;
		} else if (errno == EAGAIN) {
			if (!wait_for(fd, POLLOUT, deadline_ms))
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* Reads until the answer has `wanted` bytes; it keeps bytes beyond those. */
static bool receive(int fd, struct bytes *answer, size_t wanted, int64_t deadline_ms)
{
	while (answer->length < wanted) {
		if (!bytes_reserve(answer, wanted - answer->length))
			return false;
		ssize_t count = recv(fd, answer->data + answer->length,
				     answer->capacity - answer->length, 0);
		if (count > 0) {
			answer->length += (size_t)count;
		} else if (count == 0) {
			return false;
		} else if (errno == EAGAIN) {
			if (!wait_for(fd, POLLIN, deadline_ms))
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

/* Returns the length of the frame at an offset, or 0 unless it is a valid one of this kind. */
static size_t frame_length(const struct bytes *answer, size_t offset, uint32_t kind, size_t least)
{
	const unsigned char *frame = answer->data + offset;
	size_t length = get_u32(frame + 8);

	return get_u32(frame) == PROTOCOL_MAGIC && get_u32(frame + 4) == PROTOCOL_VERSION &&
	       get_u32(frame + 12) == kind && length >= least && length <= MAX_ANSWER_BYTES ? length : 0;
}

static bool is_taken(int fd, struct bytes *received, int64_t deadline_ms)
{
	return receive(fd, received, ANSWER_HEADER_BYTES, deadline_ms) &&
	       frame_length(received, 0, ANSWER_ACK, ANSWER_HEADER_BYTES) == ANSWER_HEADER_BYTES;
}

static bool is_answered(int fd, struct bytes *received, struct answer *answer)
{
	const size_t begin = ANSWER_HEADER_BYTES;

	if (!receive(fd, received, begin + RESULT_HEADER_BYTES, NO_DEADLINE))
		return false;
	size_t length = frame_length(received, begin, ANSWER_RESULT, RESULT_HEADER_BYTES);
	if (length == 0 || !receive(fd, received, begin + length, NO_DEADLINE))
		return false;
	const unsigned char *frame = received->data + begin;
	answer->exit_code = (int)(get_u32(frame + 16) & 0xff);
	answer->out_length = get_u32(frame + 20);
	if (answer->out_length > length - RESULT_HEADER_BYTES)
		return false;
	answer->out = frame + RESULT_HEADER_BYTES;
	answer->error = answer->out + answer->out_length;
	answer->error_length = length - RESULT_HEADER_BYTES - answer->out_length;
	return true;
}

enum outcome resident_call(const char *path, const struct bytes *request, int passed_fd,
			   struct answer *answer)
{
	static struct bytes received;
	int64_t deadline_ms = now_ms() + ACK_TIMEOUT_MS;
	enum outcome outcome = NOT_TAKEN;
	int fd = open_socket(path);

	if (fd < 0)
		return NOT_TAKEN;
	if (send_request(fd, request, passed_fd, deadline_ms) && is_taken(fd, &received, deadline_ms))
		outcome = is_answered(fd, &received, answer) ? ANSWERED : BROKEN_OFF;
	/*
	 * The other side notices at once. It drops a call that it has not begun, and undoes one
	 * that it has begun.
	 */
	close(fd);
	return outcome;
}
