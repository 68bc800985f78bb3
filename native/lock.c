#include "mechanisms.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>

static bool is_at(int fd, const char *path)
{
	struct stat held, there;

	return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_dev == there.st_dev &&
	       held.st_ino == there.st_ino;
}

int lock_try(int fd, const char *path)
{
	int result;

	do {
		result = flock(fd, LOCK_EX | LOCK_NB);
	} while (result < 0 && errno == EINTR);
	if (result == 0) {
		if (is_at(fd, path))
			return 1;
		(void)flock(fd, LOCK_UN);
		return -ESTALE;
	}
	return errno == EWOULDBLOCK ? 0 : -errno;
}

int lock_release(int fd)
{
	return flock(fd, LOCK_UN) < 0 ? -errno : 0;
}
