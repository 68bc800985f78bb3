/*
 * What the plugin needs of the kernel and Node.js cannot do: sockets inside
 * another network namespace, flock, children without a copy of the parent.
 * No JavaScript types here, and no knowledge of SR-IOV.
 *
 * Every function returns a value >= 0, or -errno. Every descriptor made here
 * is close-on-exec. NETNS_NONE as a namespace means: the caller's own.
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
 * Enters the network namespace behind netns_fd. Returns a descriptor to hand
 * to netns_leave(), or NETNS_NONE (which is fine to hand over, too) when
 * netns_fd is NETNS_NONE. *error is 0 or -errno.
 */
int netns_enter(int netns_fd, int *error);

/* Goes back. A thread that cannot go back must not run on: aborts. */
void netns_leave(int back_fd);

/* What tells network namespaces apart (namespaces(7)). */
struct netns_id {
	dev_t device;
	ino_t inode;
};

/* Opens a network namespace, which may be any file until it is open: -ENOTTY when it is none. */
int netns_open(const char *path, struct netns_id *id);

/* The whole text of a file, for the caller to free, and its length. -EPERM for a FIFO or a device, -EFBIG above 16 MiB. */
ssize_t file_read(const char *path, char **text);

/* Where a symbolic link points. -ENAMETOOLONG when that does not fit. */
ssize_t link_read(const char *path, char *target, size_t capacity);

/* The names in a folder, each with its NUL, for the caller to free, and the length of all. */
ssize_t folder_read(const char *path, char **names);

/* 0 when something is there, even a link that leads nowhere. */
int path_is_there(const char *path);

/* Writes all bytes to an open file. */
int file_write_all(int fd, const void *bytes, size_t length);

/* Writes a whole file of mode 0600 over what is there, and to the disk when it is to be durable. */
int file_write(const char *path, const void *bytes, size_t length, int is_durable);

/* Writes all bytes to an existing file, opened inside the namespace: /proc/sys/net shows the opener's. */
int netns_write_file(int netns_fd, const char *path, const void *bytes, size_t length);

/* A bound NETLINK_ROUTE socket with extended acknowledgements (netlink(7)). It stays in its namespace. */
int route_socket_open(int netns_fd);

/* Sends one datagram. */
int route_socket_send(int fd, const void *bytes, size_t length);

/*
 * Waits up to timeout_ms for a datagram and returns its size without reading
 * it, so that the caller can bring a buffer that fits. -ETIMEDOUT when none came.
 */
ssize_t route_socket_next_size(int fd, int timeout_ms);

/* Reads the waiting datagram. */
ssize_t route_socket_receive(int fd, void *bytes, size_t capacity);

/* Room for what a driver says of its bus, with its NUL (ETHTOOL_BUSINFO_LEN in linux/ethtool.h). */
#define DRIVER_BUS_INFO_BYTES 33

/*
 * Asks the driver of an interface for the bus address of its device (ETHTOOL_GDRVINFO): a PCI address, "" or another
 * word where there is none. Any socket serves; its namespace is where the interface is looked for. -ENODEV when there
 * is none of that name, -EOPNOTSUPP when its driver says nothing.
 */
int driver_bus_info(int socket_fd, const char *interface, char text[DRIVER_BUS_INFO_BYTES]);

/*
 * Sends one Ethernet frame out of an interface (packet(7)). Returns the socket,
 * for the caller to close: that waits for all CPUs (synchronize_net() in
 * packet_release()), ten milliseconds and more.
 */
int frame_send(int netns_fd, int interface_index, const void *bytes, size_t length);

/* flock(2) LOCK_EX without waiting: 1 taken, 0 somebody else holds it. */
int lock_try(int fd);

/* Gives a lock up for every duplicate of the descriptor, also for those that children inherited. */
int lock_release(int fd);

struct child {
	pid_t pid;
	int stdout_fd; /* a memfd: complete once the child has ended */
	int stderr_fd; /* the same, or FD_NONE */
	int stdin_fd;  /* where its input is still to be written, or FD_NONE */
};

/* How a program is started. */
enum child_flags {
	CHILD_KEEPS_STDERR = 1, /* stderr goes to a memfd; else it is ours */
	CHILD_WAITS_FOR_INPUT = 2, /* stdin is a pipe; the input is written to stdin_fd later */
};

/*
 * Starts a program with posix_spawn(3): stdin reads the given bytes, stdout
 * goes to a memfd. Neither side can block on the other: -ENOBUFS when the
 * input is to come later and a pipe has no room for it.
 *
 * kept_fd, or FD_NONE, becomes the child's descriptor 3: a flock(2) held by it
 * lasts until the child has ended, even when we are killed.
 */
#define FD_NONE (-1)
int child_start(const char *path, char *const argv[], char *const envp[],
		const void *input, size_t input_length, int kept_fd, int flags,
		struct child *child);

/*
 * Waits up to timeout_ms. Returns the wait status of waitpid(2), or
 * -ETIMEDOUT while the child still runs.
 */
int child_wait(pid_t pid, int timeout_ms);

/* A descriptor that is readable once the process has ended (pidfd_open(2), since Linux 5.3). */
int child_open(pid_t pid);

/* A stream socket that listens at a path, which must be free; mode 0600. Does not block. */
int unix_listen(const char *path, int backlog);

/* Sends one datagram to a socket, which has to take it at once; a path that begins with '@' is an abstract one (unix(7)). */
int unix_notify(const char *path, const void *bytes, size_t length);

/* Who is at the other end, as of its connect(2). */
struct unix_peer {
	uid_t uid;
	pid_t pid;
};

/* The next connection, -EAGAIN when there is none. It does not block either. */
int unix_accept(int listener_fd, struct unix_peer *peer);

/* Reads what is there, 0 at the end. *passed_fd is a descriptor that came with it (SCM_RIGHTS), or FD_NONE. */
ssize_t unix_receive(int fd, void *bytes, size_t capacity, int *passed_fd);

/* Writes as much as fits, without SIGPIPE. */
ssize_t unix_send(int fd, const void *bytes, size_t length);

/* Whether the other end has closed, or will write no more: 1 or 0. */
int unix_is_hung_up(int fd);

#endif
