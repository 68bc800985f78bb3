#include "mechanisms.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>

_Static_assert(sizeof(((struct ethtool_drvinfo *)0)->bus_info) < DRIVER_BUS_INFO_BYTES, "no room for the NUL");

int driver_bus_info(int socket_fd, const char *interface, char text[DRIVER_BUS_INFO_BYTES])
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (char *)&info };
	int result;

	if (strlen(interface) >= sizeof(request.ifr_name))
		return -ENODEV;
	strcpy(request.ifr_name, interface);
	do {
		result = ioctl(socket_fd, SIOCETHTOOL, &request);
	} while (result < 0 && errno == EINTR);
	if (result < 0)
		return -errno;
	memset(text, 0, DRIVER_BUS_INFO_BYTES);
	memcpy(text, info.bus_info, sizeof(info.bus_info));
	return 0;
}
