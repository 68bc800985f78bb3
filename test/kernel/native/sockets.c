#include "harness.h"
#include "mechanisms.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	REQUIRE(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

/* Sends one byte with so many descriptors. */
static void pass(int fd, int passed, size_t count)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct iovec part = { .iov_base = "x", .iov_len = 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes,
				  .msg_controllen = CMSG_SPACE(count * sizeof(int)) };

	memset(&control, 0, sizeof(control));
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(count * sizeof(int));
	for (size_t i = 0; i < count; i++)
		memcpy(CMSG_DATA(&control.header) + i * sizeof(int), &passed, sizeof(int));
	REQUIRE(sendmsg(fd, &message, 0) == 1);
}

void unix_sockets(int other, int file)
{
	(void)other;
	enum { BIG = 1000 * 1000 };
	char path[] = "/tmp/sriov-harness-XXXXXX";
	char *big = calloc(1, BIG);
	char byte;
	int passed;
	struct unix_peer peer;
	struct stat status;

	REQUIRE(big != NULL && mkdtemp(path) != NULL && rmdir(path) == 0);
	int listener = unix_listen(path, 8);
	REQUIRE(listener >= 0 && stat(path, &status) == 0 && (status.st_mode & 0777) == 0600);
	REQUIRE(unix_listen(path, 8) == -EADDRINUSE && unix_listen("/none/socket", 8) == -ENOENT);
	memset(big, 'p', 200);
	REQUIRE(unix_listen(big, 8) == -ENAMETOOLONG);
	REQUIRE(unix_accept(listener, &peer) == -EAGAIN && unix_accept(9999, &peer) == -EBADF);
	int client = connect_to(path);
	int server = unix_accept(listener, &peer);
	REQUIRE(server >= 0 && peer.uid == getuid() && peer.pid == getpid());
	REQUIRE((fcntl(server, F_GETFD) & FD_CLOEXEC) && (fcntl(listener, F_GETFD) & FD_CLOEXEC));
	REQUIRE(unix_receive(server, &byte, 1, &passed) == -EAGAIN && unix_is_hung_up(server) == 0);
	REQUIRE(write(client, "x", 1) == 1 && unix_receive(server, &byte, 1, &passed) == 1);
	REQUIRE(byte == 'x' && passed == FD_NONE);
	for (size_t count = 1; count <= 8; count++) {
		pass(client, file, count);
		REQUIRE(unix_receive(server, &byte, 1, &passed) == 1 && passed >= 0);
		REQUIRE(fcntl(passed, F_GETFD) & FD_CLOEXEC);
		close(passed);
	}
	ssize_t sent = unix_send(server, big, BIG);
	REQUIRE(sent > 0 && sent < BIG && unix_send(server, big, BIG) == -EAGAIN);
	close(client);
	REQUIRE(unix_is_hung_up(server) == 1 && unix_send(server, big, 1) == -EPIPE);
	REQUIRE(unix_receive(9999, &byte, 1, &passed) == -EBADF && passed == FD_NONE);
	close(server);
	close(listener);
	unlink(path);
	free(big);
}
