/*
 * Makes veth interfaces stand in for VFs on a machine that has none: the loader
 * (ld.so.preload) puts this library into every program of the benchmark. The
 * interfaces, their moves and everything else are the kernel's own. Three things
 * are not:
 *
 * - The kernel reports no PCI function behind a veth. Its alternative name is the
 *   address, and programs read it as IFLA_PARENT_DEV_NAME.
 * - A folder `net` of an invented device lists the interface only while it is in the
 *   host's namespace, as sysfs does. The link `stand-in` beside it has its name.
 * - Where the file of spans exists, system calls that wait are noted there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DEVICES "/sys/bus/pci/devices/"
/* How the addresses of stand-ins begin; the names of interfaces do not. */
#define FUNCTION "0000:fd:"
#define SPANS "/run/bench-spans"

/* The kinds of a span; scripts/tools/bench/machine/spans.ts reads them. */
enum kind { CHANGE = 1, MOVE, LOOK, SYNC, PROGRAM };

/* 32 bytes. `subject` is an interface's index, or a program's process ID; `pod` is the number of its pod, or -1. */
struct span {
	uint64_t begin_ns, end_ns;
	int32_t pid, kind, subject, pod;
};

/* The first span of the file counts the others, in begin_ns. */
static struct span *spans;
static size_t room;

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void note_pod(enum kind kind, int subject, int pod, uint64_t begin_ns)
{
	if (spans == NULL)
		return;
	uint64_t index = __atomic_add_fetch(&spans[0].begin_ns, 1, __ATOMIC_RELAXED);
	if (index < room)
		spans[index] = (struct span){ begin_ns, now_ns(), getpid(), kind, subject, pod };
}

static void note(enum kind kind, int subject, uint64_t begin_ns)
{
	note_pod(kind, subject, -1, begin_ns);
}

/* The number of the pod that a CNI plugin is started for, or -1. */
static int pod_of(char *const envp[])
{
	static const char container[] = "CNI_CONTAINERID=bench-";

	for (; envp != NULL && *envp != NULL; envp++) {
		if (strncmp(*envp, container, sizeof(container) - 1) == 0)
			return atoi(*envp + sizeof(container) - 1);
	}
	return -1;
}

__attribute__((constructor)) static void find_spans(void)
{
	struct stat facts;
	int fd = open(SPANS, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	if (fstat(fd, &facts) == 0) {
		void *mapped = mmap(NULL, (size_t)facts.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (mapped != MAP_FAILED) {
			spans = mapped;
			room = (size_t)facts.st_size / sizeof(struct span);
		}
	}
	close(fd);
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Whether `path` is the folder `net` of a stand-in whose interface is in a pod. */
static bool is_away(const char *path)
{
	char link[PATH_MAX], name[64] = "/sys/class/net/";
	size_t length = strlen(path), prefix = strlen(name);

	if (strncmp(path, DEVICES, strlen(DEVICES)) != 0 || length < 4 || strcmp(path + length - 4, "/net") != 0)
		return false;
	snprintf(link, sizeof(link), "%.*s/stand-in", (int)(length - 4), path);
	ssize_t count = readlink(link, name + prefix, sizeof(name) - prefix - 1);
	return count > 0 && access(name, F_OK) != 0;
}

DIR *opendir(const char *path)
{
	if (is_away(path)) {
		errno = ENOENT;
		return NULL;
	}
	return NEXT(opendir)(path);
}

/* A list of one alternative name becomes the name of the parent device, in the same place. */
static void show_function(struct rtattr *list)
{
	struct rtattr *name = RTA_DATA(list);

	if (!RTA_OK(name, RTA_PAYLOAD(list)) || strncmp(RTA_DATA(name), FUNCTION, strlen(FUNCTION)) != 0)
		return;
	size_t length = RTA_PAYLOAD(name);
	memmove(RTA_DATA(list), RTA_DATA(name), length);
	*list = (struct rtattr){ .rta_type = IFLA_PARENT_DEV_NAME, .rta_len = RTA_LENGTH(length) };
	/* The four bytes that are left: an attribute without a value. */
	*(struct rtattr *)((char *)list + RTA_ALIGN(list->rta_len)) = (struct rtattr){ .rta_len = RTA_LENGTH(0) };
}

static void show_functions(char *bytes, int length)
{
	struct nlmsghdr *message = (struct nlmsghdr *)bytes;

	for (; NLMSG_OK(message, length); message = NLMSG_NEXT(message, length)) {
		if (message->nlmsg_type != RTM_NEWLINK)
			continue;
		struct rtattr *attribute = IFLA_RTA(NLMSG_DATA(message));
		int left = (int)IFLA_PAYLOAD(message);
		for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
			if ((attribute->rta_type & NLA_TYPE_MASK) == IFLA_PROP_LIST)
				show_function(attribute);
		}
	}
}

ssize_t recvfrom(int fd, void *restrict bytes, size_t capacity, int flags, struct sockaddr *restrict sender,
		 socklen_t *restrict sender_length)
{
	ssize_t received = NEXT(recvfrom)(fd, bytes, capacity, flags, sender, sender_length);

	if (received > 0 && sender != NULL && sender->sa_family == AF_NETLINK)
		show_functions(bytes, (int)received);
	return received;
}

static enum kind kind_of(const struct nlmsghdr *message)
{
	if (message->nlmsg_type == RTM_GETLINK || (message->nlmsg_flags & NLM_F_ACK) == 0)
		return LOOK;
	if (message->nlmsg_type != RTM_NEWLINK)
		return CHANGE;
	struct rtattr *attribute = IFLA_RTA(NLMSG_DATA(message));
	int left = (int)IFLA_PAYLOAD(message);
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
		if (attribute->rta_type == IFLA_NET_NS_FD)
			return MOVE;
	}
	return CHANGE;
}

ssize_t sendto(int fd, const void *bytes, size_t length, int flags, const struct sockaddr *to, socklen_t to_length)
{
	uint64_t begin_ns = now_ns();
	ssize_t sent = NEXT(sendto)(fd, bytes, length, flags, to, to_length);

	if (spans != NULL && to != NULL && to->sa_family == AF_NETLINK) {
		enum kind kind = LOOK;
		int index = 0;
		const struct nlmsghdr *message = bytes;
		/* A datagram may have several requests: the one that matters most counts. */
		for (int left = (int)length; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
			enum kind one = kind_of(message);
			if (one == MOVE || (one == CHANGE && kind == LOOK)) {
				kind = one;
				index = ((const struct ifinfomsg *)NLMSG_DATA(message))->ifi_index;
			}
		}
		note(kind, index, begin_ns);
	}
	return sent;
}

int fsync(int fd)
{
	uint64_t begin_ns = now_ns();
	int result = NEXT(fsync)(fd);

	note(SYNC, fd, begin_ns);
	return result;
}

int posix_spawn(pid_t *restrict pid, const char *restrict path, const posix_spawn_file_actions_t *actions,
		const posix_spawnattr_t *restrict attributes, char *const argv[restrict], char *const envp[restrict])
{
	uint64_t begin_ns = now_ns();
	int result = NEXT(posix_spawn)(pid, path, actions, attributes, argv, envp);

	if (result == 0)
		note_pod(PROGRAM, *pid, pod_of(envp), begin_ns);
	return result;
}

pid_t waitpid(pid_t pid, int *status, int options)
{
	pid_t ended = NEXT(waitpid)(pid, status, options);

	if (ended > 0)
		note(PROGRAM, ended, now_ns());
	return ended;
}
