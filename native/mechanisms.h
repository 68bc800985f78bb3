/*
 * Kernel features that the plugin needs and Node.js lacks: sockets inside
 * another network namespace, flock, children without a copy of the parent.
 * This layer knows no JavaScript types and no SR-IOV.
 *
 * Unless noted otherwise, a function returns a value >= 0, or -errno. Every
 * descriptor made here is close-on-exec and belongs to the caller. NETNS_NONE
 * as a namespace means the caller's own.
 */
#ifndef SRIOV_MECHANISMS_H
#define SRIOV_MECHANISMS_H

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "big-endian machines are not supported: src/netlink reads and writes numbers as little-endian"
#endif

#include <stddef.h>
#include <sys/types.h>

#define NETNS_NONE (-1)

/*
 * Moves the calling thread into the network namespace behind netns_fd. Returns
 * a descriptor for netns_leave(). Returns NETNS_NONE, which netns_leave() also
 * accepts, on failure or when netns_fd is NETNS_NONE. *error is 0 or -errno.
 */
int netns_enter(int netns_fd, int *error);

/*
 * Returns the thread to its namespace and closes back_fd. Aborts the process on
 * failure: no code may run on in the wrong namespace.
 */
void netns_leave(int back_fd);

/* Identifies a network namespace (namespaces(7)). */
struct netns_id {
	dev_t device;
	ino_t inode;
};

/*
 * Opens a network namespace and returns its descriptor. The path may name any
 * file: -ENOTTY when the file is not a network namespace.
 */
int netns_open(const char *path, struct netns_id *id);

/*
 * Reads a whole file into *text, which the caller frees. Returns the length;
 * there is no NUL. -EPERM for a FIFO or a device, -EFBIG above 16 MiB.
 */
ssize_t file_read(const char *path, char **text);

/*
 * Reads the target of a symbolic link and returns its length; there is no NUL.
 * -ENAMETOOLONG when the target does not fit.
 */
ssize_t link_read(const char *path, char *target, size_t capacity);

/*
 * Reads the names in a folder into *names, each with its NUL. Returns the total
 * length. The caller sets *names to NULL before and frees it after, also on failure.
 */
ssize_t folder_read(const char *path, char **names);

/* Returns 0 when the path exists, even as a dangling link. */
int path_is_there(const char *path);

/* Writes all bytes to an open file. */
int file_write_all(int fd, const void *bytes, size_t length);

/* Creates a file with mode 0600. An existing file keeps its content: only its name is taken. */
int file_write(const char *path, const void *bytes, size_t length);

/* Returns once a file or a folder is on the disk (fsync(2)). */
int path_sync(const char *path);

/*
 * Writes all bytes to an existing file. Opens it inside the namespace, because
 * /proc/sys/net shows the settings of the opener's namespace.
 */
int netns_write_file(int netns_fd, const char *path, const void *bytes, size_t length);

/*
 * Opens a bound netlink socket with extended acknowledgements (netlink(7)) for
 * a protocol, NETLINK_ROUTE for example. It receives the events of the given
 * groups, a bit mask. The socket stays in the given namespace.
 */
int netlink_socket_open(int netns_fd, int protocol, int groups);

/* Sends one datagram. */
int netlink_socket_send(int fd, const void *bytes, size_t length);

/* Drops the datagrams that wait, `limit` at most. */
void netlink_socket_drain(int fd, size_t limit);

/*
 * Waits up to timeout_ms for a datagram and returns its size without reading
 * it, so that the caller can size the buffer. -ETIMEDOUT when none arrives.
 */
ssize_t netlink_socket_next_size(int fd, int timeout_ms);

/* Reads the waiting datagram. Returns 0 when it is not from the kernel. */
ssize_t netlink_socket_receive(int fd, void *bytes, size_t capacity);

/* ETHTOOL_BUSINFO_LEN (linux/ethtool.h), and one byte for the NUL. */
#define DRIVER_BUS_INFO_BYTES 33

/*
 * Asks the driver of an interface for the bus address of its device
 * (ETHTOOL_GDRVINFO). The text is a PCI address; without one it is "" or
 * another word. Any socket works; the interface is looked up in the socket's
 * namespace. -ENODEV when no interface has that name, -EOPNOTSUPP when its
 * driver gives no information.
 */
int driver_bus_info(int socket_fd, const char *interface, char text[DRIVER_BUS_INFO_BYTES]);

/*
 * Sends one Ethernet frame out of an interface (packet(7)). Returns the socket,
 * which the caller closes. Closing takes 10 ms or more, because it waits for
 * all CPUs (synchronize_net() in packet_release()).
 */
int frame_send(int netns_fd, int interface_index, const void *bytes, size_t length);

/*
 * Tries flock(2) LOCK_EX of a file that was opened by its path, without waiting. Returns 1 when taken, 0 when another
 * holder has it, -ESTALE when the path is another file's by now, or nobody's: the lock would exclude nobody.
 */
int lock_try(int fd, const char *path);

/* Releases the lock for every duplicate of the descriptor, including those in children. */
int lock_release(int fd);

struct child {
	pid_t pid;
	int stdout_fd; /* a memfd, complete once the child has ended */
	int stderr_fd; /* a memfd as well, or FD_NONE */
	int stdin_fd;  /* write end of the stdin pipe, or FD_NONE */
};

enum child_flags {
	CHILD_KEEPS_STDERR = 1, /* stderr goes to a memfd, otherwise to ours */
	CHILD_WAITS_FOR_INPUT = 2, /* stdin is a pipe; the input goes to stdin_fd later */
};

/*
 * Starts a program with posix_spawn(3). The child reads the given bytes from
 * stdin; its stdout goes to a memfd. Neither side can block on the other:
 * -ENOBUFS when the input comes later and does not fit into a pipe.
 *
 * kept_fd, or FD_NONE, becomes the child's descriptor 3. A flock(2) on it lasts
 * until the child ends, even when we are killed.
 */
#define FD_NONE (-1)
int child_start(const char *path, char *const argv[], char *const envp[],
		const void *input, size_t input_length, int kept_fd, int flags,
		struct child *child);

/*
 * Waits up to timeout_ms for the child to end. Returns the wait status of
 * waitpid(2), or -ETIMEDOUT while the child still runs.
 */
int child_wait(pid_t pid, int timeout_ms);

/*
 * Opens a descriptor that is readable once the process has ended
 * (pidfd_open(2), since Linux 5.3).
 */
int child_open(pid_t pid);

/*
 * Opens a non-blocking stream socket that listens at a path with mode 0600.
 * The path must be free.
 */
int unix_listen(const char *path, int backlog);

/*
 * Sends one datagram to a socket without waiting for room in its queue. A path
 * that begins with '@' is an abstract address (unix(7)).
 */
int unix_notify(const char *path, const void *bytes, size_t length);

/* The process at the other end, at the time of its connect(2). */
struct unix_peer {
	uid_t uid;
	pid_t pid;
};

/* Returns the next connection, a non-blocking socket; -EAGAIN when none is waiting. */
int unix_accept(int listener_fd, struct unix_peer *peer);

/*
 * Reads what is available without waiting; returns 0 at the end. *passed_fd is
 * a descriptor that came with it (SCM_RIGHTS), or FD_NONE.
 */
ssize_t unix_receive(int fd, void *bytes, size_t capacity, int *passed_fd);

/* Writes as much as fits without waiting and returns the count. Raises no SIGPIPE. */
ssize_t unix_send(int fd, const void *bytes, size_t length);

/* Returns 1 when the other end has closed or has shut down writing, else 0. */
int unix_is_hung_up(int fd);

#endif
