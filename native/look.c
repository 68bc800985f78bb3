#include "mechanisms.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A state file, or an attribute of sysfs. */
static const size_t FIRST_CAPACITY = 4096;

/* Reads to the end: files of sysfs and proc do not know how long they are. */
static ssize_t read_all(int fd, char **text)
{
	size_t capacity = FIRST_CAPACITY, length = 0;
	char *bytes = malloc(capacity);

	for (;;) {
		if (bytes == NULL)
			return -ENOMEM;
		ssize_t count = read(fd, bytes + length, capacity - length);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0) {
			int error = errno;
			free(bytes);
			return -error;
		}
		length += (size_t)count;
		if (count == 0 || length > SSIZE_MAX / 4) {
			*text = bytes;
			return (ssize_t)length;
		}
		if (length == capacity) {
			char *more = realloc(bytes, capacity *= 2);
			if (more == NULL)
				free(bytes);
			bytes = more;
		}
	}
}

ssize_t file_read(const char *path, char **text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ssize_t length = read_all(fd, text);
	close(fd);
	return length;
}

ssize_t link_read(const char *path, char *target, size_t capacity)
{
	ssize_t length = readlink(path, target, capacity);

	if (length < 0)
		return -errno;
	return (size_t)length == capacity ? -ENAMETOOLONG : length;
}

int path_is_there(const char *path)
{
	struct stat status;

	return lstat(path, &status) < 0 ? -errno : 0;
}
