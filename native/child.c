#include "mechanisms.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

/* The first descriptor after the standard streams. */
static const int KEPT_FD = 3;

/* Used only where pidfd_open(2) is missing (Linux < 5.3) or forbidden (EPERM). */
static const int POLL_INTERVAL_MS = 2;

/* Returns a memfd that holds the input and is positioned at its start, or -errno. */
static int input_file(const void *input, size_t length)
{
	int fd = memfd_create("cni-stdin", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	int result = file_write_all(fd, input, length);
	if (result == 0 && lseek(fd, 0, SEEK_SET) < 0)
		result = -errno;
	if (result == 0)
		return fd;
	close(fd);
	return result;
}

/*
 * Makes a pipe for input that comes later. Returns our write end, or -errno:
 * -ENOBUFS when the pipe has less room than length.
 */
static int input_pipe(size_t length, int *read_fd)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	int room = fcntl(ends[1], F_GETPIPE_SZ);
	if (room < 0 || (size_t)room < length) {
		close(ends[0]);
		close(ends[1]);
		return -ENOBUFS;
	}
	*read_fd = ends[0];
	return ends[1];
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

int child_start(const char *path, char *const argv[], char *const envp[],
		const void *input, size_t input_length, int kept_fd, int flags,
		struct child *child)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	bool keeps_stderr = (flags & CHILD_KEEPS_STDERR) != 0;
	int read_fd = FD_NONE;
	int result = posix_spawn_file_actions_init(&actions);

	if (result != 0)
		return -result;
	result = posix_spawnattr_init(&attributes);
	if (result != 0) {
		posix_spawn_file_actions_destroy(&actions);
		return -result;
	}
	*child = (struct child){ .stdout_fd = FD_NONE, .stderr_fd = FD_NONE, .stdin_fd = FD_NONE };
	if (flags & CHILD_WAITS_FOR_INPUT)
		result = child->stdin_fd = input_pipe(input_length, &read_fd);
	else
		result = read_fd = input_file(input, input_length);
	if (result < 0)
		goto out;
	child->stdout_fd = memfd_create("cni-stdout", MFD_CLOEXEC);
	if (keeps_stderr)
		child->stderr_fd = memfd_create("cni-stderr", MFD_CLOEXEC);
	if (child->stdout_fd < 0 || (keeps_stderr && child->stderr_fd < 0)) {
		result = -errno;
		goto out;
	}
	/* Node.js ignores SIGPIPE. The child must inherit neither that nor our signal mask. */
	sigset_t none, defaults;
	sigemptyset(&none);
	sigemptyset(&defaults);
	sigaddset(&defaults, SIGPIPE);
	(void)posix_spawnattr_setsigmask(&attributes, &none);
	(void)posix_spawnattr_setsigdefault(&attributes, &defaults);
	(void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

	result = -posix_spawn_file_actions_adddup2(&actions, read_fd, STDIN_FILENO);
	if (result == 0)
		result = -posix_spawn_file_actions_adddup2(&actions, child->stdout_fd, STDOUT_FILENO);
	if (result == 0 && keeps_stderr)
		result = -posix_spawn_file_actions_adddup2(&actions, child->stderr_fd, STDERR_FILENO);
	/*
	 * Close the launcher's report descriptor, which has this number (native/shim/attempt.h):
	 * the child must not get it.
	 */
	if (result == 0)
		result = kept_fd != FD_NONE ? -posix_spawn_file_actions_adddup2(&actions, kept_fd, KEPT_FD) :
					      -posix_spawn_file_actions_addclose(&actions, KEPT_FD);
	if (result == 0)
		result = -posix_spawn(&child->pid, path, &actions, &attributes, argv, envp);
out:
	close_if_open(read_fd);
	if (result != 0) {
		close_if_open(child->stdin_fd);
		close_if_open(child->stdout_fd);
		close_if_open(child->stderr_fd);
	}
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return result;
}

static int wait_without_pidfd(pid_t pid, int timeout_ms)
{
	struct timespec pause = { .tv_nsec = POLL_INTERVAL_MS * 1000L * 1000L };
	int status;

	for (int waited = 0;; waited += POLL_INTERVAL_MS) {
		pid_t ended = waitpid(pid, &status, WNOHANG);
		if (ended == pid)
			return status;
		if (ended < 0 && errno != EINTR)
			return -errno;
		if (waited >= timeout_ms)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
}

int child_open(pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return fd < 0 ? -errno : fd;
}

int child_wait(pid_t pid, int timeout_ms)
{
	int pid_fd = child_open(pid);
	int count;

	if (pid_fd < 0)
		return pid_fd == -ENOSYS || pid_fd == -EPERM ? wait_without_pidfd(pid, timeout_ms) : pid_fd;
	struct pollfd ended = { .fd = pid_fd, .events = POLLIN };
	do {
		count = poll(&ended, 1, timeout_ms);
	} while (count < 0 && errno == EINTR);
	int poll_error = errno;
	close(pid_fd);
	if (count < 0)
		return -poll_error;
	if (count == 0)
		return -ETIMEDOUT;

	int status;
	pid_t waited;
	do {
		waited = waitpid(pid, &status, 0);
	} while (waited < 0 && errno == EINTR);
	return waited < 0 ? -errno : status;
}
