/*
 * Exercises the mechanisms of native/mechanisms.h in a network namespace of its own; for sanitizers.
 * Usage: harness [PART...]: all parts, or those named.
 */
#include "harness.h"
#include "mechanisms.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static ino_t own_netns(void)
{
	struct stat status;

	REQUIRE(stat("/proc/thread-self/ns/net", &status) == 0);
	return status.st_ino;
}

static void namespaces(int other, int file)
{
	ino_t home = own_netns();
	int error = 1;
	int back = netns_enter(other, &error);

	REQUIRE(error == 0 && back >= 0 && own_netns() != home);
	netns_leave(back);
	REQUIRE(own_netns() == home);
	REQUIRE(netns_enter(NETNS_NONE, &error) == NETNS_NONE && error == 0);
	netns_leave(NETNS_NONE);
	REQUIRE(netns_enter(file, &error) == NETNS_NONE && error == -EINVAL);
	REQUIRE(netns_enter(9999, &error) == NETNS_NONE && error == -EBADF);
	REQUIRE(own_netns() == home);

	struct netns_id id;
	int open_fd = netns_open("/proc/self/ns/net", &id);
	REQUIRE(open_fd >= 0 && id.inode == home);
	close(open_fd);
	REQUIRE(netns_open("/proc/self/ns/mnt", &id) == -ENOTTY && netns_open("/dev/null", &id) == -ENOTTY);
	REQUIRE(netns_open("/nowhere", &id) == -ENOENT);
}

static void sysctls(int other, int file)
{
	const char *path = "/proc/sys/net/ipv4/ip_forward";

	REQUIRE(netns_write_file(other, path, "1", 1) == 0);
	REQUIRE(netns_write_file(NETNS_NONE, path, "0", 1) == 0);
	REQUIRE(netns_write_file(other, "/proc/sys/net/none", "1", 1) == -ENOENT);
	REQUIRE(netns_write_file(other, path, "x", 1) == -EINVAL);
	REQUIRE(netns_write_file(file, path, "1", 1) == -EINVAL);
}

static void route_sockets(int other, int file)
{
	struct {
		struct nlmsghdr header;
		struct ifinfomsg link;
	} request = { .header = { .nlmsg_len = sizeof(request), .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	int fd = netlink_socket_open(other, NETLINK_ROUTE, 0);
	char *answer;
	ssize_t size;

	REQUIRE(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	REQUIRE(netlink_socket_next_size(fd, 10) == -ETIMEDOUT);
	REQUIRE(netlink_socket_send(fd, &request, sizeof(request)) == 0);
	size = netlink_socket_next_size(fd, 1000);
	REQUIRE(size > (ssize_t)sizeof(struct nlmsghdr));
	answer = malloc((size_t)size);
	REQUIRE(answer != NULL && netlink_socket_receive(fd, answer, (size_t)size) == size);
	REQUIRE(((struct nlmsghdr *)answer)->nlmsg_type == RTM_NEWLINK);
	free(answer);
	char bus_info[DRIVER_BUS_INFO_BYTES];
	REQUIRE(driver_bus_info(fd, "none", bus_info) == -ENODEV);
	REQUIRE(driver_bus_info(fd, "a-name-of-more-than-fifteen-bytes", bus_info) == -ENODEV);
	/* The loopback interface has no driver. */
	REQUIRE(driver_bus_info(fd, "lo", bus_info) == -EOPNOTSUPP);
	close(fd);
	REQUIRE(driver_bus_info(9999, "lo", bus_info) == -EBADF);
	REQUIRE(netlink_socket_open(file, NETLINK_ROUTE, 0) == -EINVAL);
	REQUIRE(netlink_socket_send(fd, &request, sizeof(request)) == -EBADF);
	REQUIRE(netlink_socket_next_size(9999, 10) < 0);
	REQUIRE(netlink_socket_receive(9999, &request, sizeof(request)) == -EBADF);
}

static void frames(int other, int file)
{
	unsigned char frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	frame[12] = 0x08;
	frame[13] = 0x06;
	(void)file;
	int sent = frame_send(other, 1, frame, sizeof(frame));
	REQUIRE(sent > 0 || sent == -ENETDOWN);
	if (sent > 0)
		close(sent);
	REQUIRE(frame_send(other, 99999, frame, sizeof(frame)) == -ENXIO);
	REQUIRE(frame_send(other, 1, frame, 3) < 0);
	REQUIRE(frame_send(9999, 1, frame, sizeof(frame)) == -EBADF);
}

static void locks(int other, int file)
{
	(void)other;
	(void)file;
	char path[] = "/tmp/sriov-harness-XXXXXX";
	int first = mkstemp(path);
	int second = open(path, O_RDWR | O_CLOEXEC);

	REQUIRE(first >= 0 && second >= 0);
	REQUIRE(lock_try(first, path) == 1 && lock_try(first, path) == 1 && lock_try(second, path) == 0);
	unlink(path);
	close(first);
	REQUIRE(lock_try(second, path) == -ESTALE);
	int third = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	REQUIRE(lock_try(second, path) == -ESTALE && lock_try(third, path) == 1);
	close(second);
	close(third);
	unlink(path);
	REQUIRE(lock_try(9999, path) == -EBADF);
}

static void children(int other, int file)
{
	(void)other;
	(void)file;
	enum { BIG = 200 * 1000 };
	char *cat[] = { "/bin/cat", NULL };
	char *sleeper[] = { "/bin/sleep", "20", NULL };
	char *none[] = { "/none", NULL };
	char *environment[] = { NULL };
	char *input = malloc(BIG);
	char *output = malloc(BIG + 1);
	struct child child;

	REQUIRE(input != NULL && output != NULL);
	memset(input, 'x', BIG);
	REQUIRE(child_start(cat[0], cat, environment, input, BIG, FD_NONE, 0, &child) == 0);
	REQUIRE(child_wait(child.pid, 10000) == 0);
	REQUIRE(pread(child.stdout_fd, output, BIG + 1, 0) == BIG && memcmp(input, output, BIG) == 0);
	close(child.stdout_fd);
	REQUIRE(child_wait(child.pid, 10) < 0);
	REQUIRE(child_start(sleeper[0], sleeper, environment, "", 0, FD_NONE, 0, &child) == 0);
	REQUIRE(child_wait(child.pid, 20) == -ETIMEDOUT);
	kill(child.pid, SIGKILL);
	REQUIRE(WTERMSIG(child_wait(child.pid, 10000)) == SIGKILL);
	close(child.stdout_fd);
	REQUIRE(child_start(none[0], none, environment, "", 0, FD_NONE, 0, &child) == -ENOENT);
	REQUIRE(child_start(none[0], none, environment, "", 0, FD_NONE, CHILD_WAITS_FOR_INPUT, &child) == -ENOENT);
	REQUIRE(child_start(cat[0], cat, environment, input, BIG, FD_NONE, CHILD_WAITS_FOR_INPUT, &child) == -ENOBUFS);
	REQUIRE(child_start(cat[0], cat, environment, "in", 2, FD_NONE, CHILD_WAITS_FOR_INPUT, &child) == 0);
	REQUIRE(child_wait(child.pid, 20) == -ETIMEDOUT);
	REQUIRE(write(child.stdin_fd, "late", 4) == 4);
	close(child.stdin_fd);
	REQUIRE(child_wait(child.pid, 10000) == 0);
	REQUIRE(pread(child.stdout_fd, output, BIG, 0) == 4 && memcmp(output, "late", 4) == 0);
	close(child.stdout_fd);
	free(input);
	free(output);
}

static void child_descriptors(int other, int file)
{
	(void)other;
	(void)file;
	char *cat[] = { "/bin/cat", NULL };
	char *environment[] = { NULL };
	struct child child;

	REQUIRE(child_start(cat[0], cat, environment, "", 0, FD_NONE, 0, &child) == 0);
	int fd = child_open(child.pid);
	struct pollfd ended = { .fd = fd, .events = POLLIN };
	REQUIRE(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) && poll(&ended, 1, 10000) == 1);
	REQUIRE(child_wait(child.pid, 0) == 0);
	close(fd);
	close(child.stdout_fd);
	REQUIRE(child_open(child.pid) == -ESRCH);
}

static int open_descriptors(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* Each with another network namespace, and any descriptor that is none. */
static const struct part {
	const char *name;
	void (*run)(int other, int file);
} PARTS[] = {
	{ "namespaces", namespaces },	{ "sysctls", sysctls },
	{ "route sockets", route_sockets }, { "frames", frames },
	{ "locks", locks },		{ "children", children },
	{ "child descriptors", child_descriptors }, { "unix sockets", unix_sockets },
};

static int is_named(const char *name, char *names[])
{
	while (*names != NULL && strcmp(*names, name) != 0)
		names++;
	return *names != NULL;
}

int main(int argc, char *argv[])
{
	int other = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);

	REQUIRE(other >= 0 && file >= 0);
	REQUIRE(unshare(CLONE_NEWNET) == 0);
	int before = open_descriptors();
	for (size_t i = 0; i < sizeof(PARTS) / sizeof(*PARTS); i++) {
		if (argc == 1 || is_named(PARTS[i].name, argv + 1))
			PARTS[i].run(other, file);
	}
	REQUIRE(open_descriptors() == before);
	puts("all mechanisms work");
	return 0;
}
