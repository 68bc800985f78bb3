/*
 * The floor of the benchmark: only the kernel work for giving a VF to a pod, or
 * for taking it back. Link down, one message that moves and renames the link,
 * link up. No configuration, no state, no checks. Before all that the PF can be
 * told a VLAN.
 *
 * Usage: floor NETNS-FROM NAME NETNS-TO NEW-NAME [PF VF VLAN]      ("-" is our own namespace)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define OWN_NETNS "/proc/self/ns/net"

struct request {
	struct nlmsghdr header;
	struct ifinfomsg link;
	char attributes[256];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int open_netns(const char *path)
{
	int fd = open(strcmp(path, "-") == 0 ? OWN_NETNS : path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

static int open_socket(int netns_fd)
{
	if (setns(netns_fd, CLONE_NEWNET) < 0)
		die("setns");
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		die("socket");
	return fd;
}

static void add(struct request *request, unsigned short type, const void *bytes, unsigned short length)
{
	struct rtattr *attribute =
		(struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	attribute->rta_type = type;
	attribute->rta_len = RTA_LENGTH(length);
	if (length > 0)
		memcpy(RTA_DATA(attribute), bytes, length);
	request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + RTA_ALIGN(attribute->rta_len);
}

static struct request change(unsigned int flags)
{
	struct request request = {
		.header = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
			    .nlmsg_type = RTM_NEWLINK,
			    .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.link = { .ifi_flags = flags, .ifi_change = IFF_UP },
	};
	return request;
}

/* Opens an attribute that holds others; close_list() ends it. */
static struct rtattr *open_list(struct request *request, unsigned short type)
{
	struct rtattr *list = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->header.nlmsg_len));

	add(request, type, NULL, 0);
	return list;
}

static void close_list(const struct request *request, struct rtattr *list)
{
	list->rta_len = (unsigned short)((const char *)request + request->header.nlmsg_len - (char *)list);
}

static void send_and_wait(int fd, const struct request *request, const char *what)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr error;
		char rest[1024];
	} answer;

	if (send(fd, request, request->header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
		die(what);
	if (answer.error.error != 0) {
		errno = -answer.error.error;
		die(what);
	}
}

static void set_vlan(const char *pf, const char *vf, const char *vlan)
{
	struct ifla_vf_vlan wanted = { .vf = (unsigned int)atoi(vf), .vlan = (unsigned int)atoi(vlan) };
	struct request set = change(0);

	set.header.nlmsg_type = RTM_SETLINK;
	set.link.ifi_change = 0;
	set.link.ifi_index = (int)if_nametoindex(pf);
	struct rtattr *all = open_list(&set, IFLA_VFINFO_LIST);
	struct rtattr *one = open_list(&set, IFLA_VF_INFO);
	add(&set, IFLA_VF_VLAN, &wanted, sizeof(wanted));
	close_list(&set, one);
	close_list(&set, all);
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		die("socket");
	send_and_wait(fd, &set, "vlan");
	close(fd);
}

int main(int argc, char *argv[])
{
	if (argc != 5 && argc != 8) {
		fprintf(stderr, "usage: floor NETNS-FROM NAME NETNS-TO NEW-NAME [PF VF VLAN]\n");
		return 2;
	}
	if (argc == 8)
		set_vlan(argv[5], argv[6], argv[7]);
	int from = open_netns(argv[1]);
	int to = open_netns(argv[3]);
	int from_socket = open_socket(from);
	int to_socket = open_socket(to);

	struct request down = change(0);
	add(&down, IFLA_IFNAME, argv[2], strlen(argv[2]) + 1);
	send_and_wait(from_socket, &down, "down");

	/* IFLA_IFNAME is the new name only when the message has an index. */
	if (setns(from, CLONE_NEWNET) < 0)
		die("setns");
	struct request move = change(0);
	move.link.ifi_change = 0;
	move.link.ifi_index = (int)if_nametoindex(argv[2]);
	add(&move, IFLA_NET_NS_FD, &to, sizeof(to));
	add(&move, IFLA_IFNAME, argv[4], strlen(argv[4]) + 1);
	send_and_wait(from_socket, &move, "move");

	struct request up = change(strcmp(argv[3], "-") == 0 ? 0 : IFF_UP);
	add(&up, IFLA_IFNAME, argv[4], strlen(argv[4]) + 1);
	send_and_wait(to_socket, &up, "up");
	return 0;
}
