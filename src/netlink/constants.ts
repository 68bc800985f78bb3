/**
 * Numbers of the rtnetlink protocol, under their kernel names.
 * Source: include/uapi/linux/{netlink,rtnetlink,if_link,if_addr,if}.h.
 */

export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

export const NLM_F_REQUEST = 0x1
export const NLM_F_MULTI = 0x2
export const NLM_F_ACK = 0x4
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP = 0x300
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800
export const NLM_F_EXCL = 0x200
/** In an acknowledgement: only the header of the request is repeated. */
export const NLM_F_CAPPED = 0x100
/** In an acknowledgement: attributes follow, with the driver's text. */
export const NLM_F_ACK_TLVS = 0x200

export const NLMSGERR_ATTR_MSG = 1
export const NLMSGERR_ATTR_OFFS = 2

export const NLA_F_NESTED = 0x8000
export const NLA_TYPE_MASK = 0x3fff

export const RTM_NEWLINK = 16
export const RTM_GETLINK = 18
export const RTM_SETLINK = 19
export const RTM_NEWADDR = 20
export const RTM_GETADDR = 22
export const RTM_NEWROUTE = 24
export const RTM_GETROUTE = 26
export const RTM_NEWLINKPROP = 108
export const RTM_DELLINKPROP = 109

export const IFLA_ADDRESS = 1
export const IFLA_IFNAME = 3
export const IFLA_MTU = 4
/** One byte: IF_LINK_MODE_* of include/uapi/linux/if.h. */
export const IFLA_LINKMODE = 17
export const IFLA_VFINFO_LIST = 22
export const IFLA_NET_NS_FD = 28
export const IFLA_EXT_MASK = 29
export const IFLA_CARRIER = 33
export const IFLA_XDP = 43
export const IFLA_XDP_FD = 1
export const IFLA_XDP_ATTACHED = 2
export const IFLA_XDP_FLAGS = 3
export const IFLA_XDP_DRV_PROG_ID = 5
export const IFLA_XDP_SKB_PROG_ID = 6
export const IFLA_XDP_HW_PROG_ID = 7
export const XDP_FLAGS_SKB_MODE = 0x2
export const XDP_FLAGS_DRV_MODE = 0x4
export const XDP_FLAGS_HW_MODE = 0x8
export const IFLA_MAX_MTU = 51
export const IFLA_PROP_LIST = 52
export const IFLA_ALT_IFNAME = 53
export const IFLA_PARENT_DEV_NAME = 56

export const RTEXT_FILTER_VF = 1
export const RTEXT_FILTER_SKIP_STATS = 8

export const IFLA_VF_INFO = 1
export const IFLA_VF_MAC = 1
export const IFLA_VF_VLAN = 2
export const IFLA_VF_TX_RATE = 3
export const IFLA_VF_SPOOFCHK = 4
export const IFLA_VF_LINK_STATE = 5
export const IFLA_VF_RATE = 6
export const IFLA_VF_TRUST = 9
export const IFLA_VF_VLAN_LIST = 12
export const IFLA_VF_VLAN_INFO = 1

export const IFF_UP = 0x1
export const IFF_NOARP = 0x80
export const IFF_PROMISC = 0x100
export const IFF_ALLMULTI = 0x200
export const IFF_MULTICAST = 0x1000

export const AF_UNSPEC = 0
export const AF_INET = 2
export const AF_INET6 = 10

export const IFA_ADDRESS = 1
export const IFA_LOCAL = 2
export const IFA_BROADCAST = 4
export const IFA_CACHEINFO = 6
export const IFA_FLAGS = 8
export const IFA_F_OPTIMISTIC = 0x04
export const IFA_F_DADFAILED = 0x08
export const IFA_F_PERMANENT = 0x80

export const RTA_DST = 1
export const RTA_OIF = 4
export const RTA_GATEWAY = 5
export const RTA_PRIORITY = 6
export const RTA_METRICS = 8
export const RTA_MULTIPATH = 9
export const RTA_CACHEINFO = 12
export const RTA_TABLE = 15
export const RTAX_MTU = 2
export const RTAX_ADVMSS = 8
export const RT_TABLE_UNSPEC = 0
export const RT_TABLE_MAIN = 254
export const RT_TABLE_LOCAL = 255
export const RTPROT_KERNEL = 2
export const RTPROT_BOOT = 3
export const RTPROT_RA = 9
export const RT_SCOPE_UNIVERSE = 0
export const RT_SCOPE_LINK = 253
export const RTN_UNICAST = 1

export const ETH_P_8021Q = 0x8100
export const ETH_P_8021AD = 0x88a8

/** The protocol of rtnetlink(7) (include/uapi/linux/netlink.h). */
export const NETLINK_ROUTE = 0
