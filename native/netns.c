#include "mechanisms.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

int netns_enter(int netns_fd, int *error)
{
	*error = 0;
	if (netns_fd == NETNS_NONE)
		return NETNS_NONE;

	int back_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (back_fd < 0) {
		*error = -errno;
		return NETNS_NONE;
	}
	if (setns(netns_fd, CLONE_NEWNET) < 0) {
		*error = -errno;
		close(back_fd);
		return NETNS_NONE;
	}
	return back_fd;
}

void netns_leave(int back_fd)
{
	if (back_fd == NETNS_NONE)
		return;
	if (setns(back_fd, CLONE_NEWNET) < 0) {
		perror("sriov: cannot return to the host's network namespace");
		abort();
	}
	close(back_fd);
}

int netns_open(const char *path, struct netns_id *id)
{
	/* A FIFO must not block us; a terminal must not become our controlling terminal. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, NS_GET_NSTYPE) != CLONE_NEWNET || fstat(fd, &status) < 0) {
		close(fd);
		return -ENOTTY;
	}
	id->device = status.st_dev;
	id->inode = status.st_ino;
	return fd;
}

int netns_write_file(int netns_fd, const char *path, const void *bytes, size_t length)
{
	int result = 0;
	int back_fd = netns_enter(netns_fd, &result);
	int fd = -1;

	if (result < 0)
		return result;
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		result = -errno;
		goto out;
	}
	ssize_t written;
	do {
		written = write(fd, bytes, length);
	} while (written < 0 && errno == EINTR);
	if (written < 0)
		result = -errno;
	else if ((size_t)written != length)
		result = -EIO;
out:
	if (fd >= 0)
		close(fd);
	netns_leave(back_fd);
	return result;
}
