#include "mechanisms.h"

#include <errno.h>
#include <sys/file.h>

int lock_try(int fd)
{
	int result;

	do {
		result = flock(fd, LOCK_EX | LOCK_NB);
	} while (result < 0 && errno == EINTR);
	if (result == 0)
		return 1;
	return errno == EWOULDBLOCK ? 0 : -errno;
}

int lock_release(int fd)
{
	return flock(fd, LOCK_UN) < 0 ? -errno : 0;
}
