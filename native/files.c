#include "mechanisms.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Enough for a state file or a sysfs attribute. */
static const size_t FIRST_CAPACITY = 4096;

/*
 * Enough for the mountinfo of a node with ten thousand mounts: as many lines of
 * some hundred bytes.
 */
static const size_t MAX_TEXT = 16 * 1024 * 1024;

/* Reads to the end of file: st_size is no guide for sysfs and procfs files. */
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
		if (length > MAX_TEXT) {
			free(bytes);
			return -EFBIG;
		}
		if (count == 0) {
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
	/* A FIFO must not block us; a terminal must not become our controlling terminal. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat info;
	ssize_t length;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &info) < 0)
		length = -errno;
	else if (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))
		length = read_all(fd, text);
	else
		length = -EPERM;
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

static bool append_name(char **names, size_t *length, size_t *capacity, const char *name)
{
	size_t bytes = strlen(name) + 1;

	if (*length + bytes > *capacity) {
		size_t wanted = 2 * *capacity + bytes;
		char *more = realloc(*names, wanted);
		if (more == NULL)
			return false;
		*names = more;
		*capacity = wanted;
	}
	memcpy(*names + *length, name, bytes);
	*length += bytes;
	return true;
}

ssize_t folder_read(const char *path, char **names)
{
	size_t length = 0, capacity = FIRST_CAPACITY;
	DIR *folder = opendir(path);
	ssize_t result = 0;

	if (folder == NULL)
		return -errno;
	*names = malloc(capacity);
	for (;;) {
		errno = 0;
		struct dirent *entry = readdir(folder);
		if (entry == NULL) {
			result = errno != 0 ? -errno : (ssize_t)length;
			break;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (*names == NULL || !append_name(names, &length, &capacity, entry->d_name)) {
			result = -ENOMEM;
			break;
		}
	}
	closedir(folder);
	return result;
}

int path_is_there(const char *path)
{
	struct stat status;

	return lstat(path, &status) < 0 ? -errno : 0;
}

int file_write_all(int fd, const void *from, size_t length)
{
	const char *bytes = from;

	while (length > 0) {
		ssize_t written = write(fd, bytes, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		bytes += written;
		length -= (size_t)written;
	}
	return 0;
}

int file_write(const char *path, const void *bytes, size_t length)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	/* A killed process may have left it, as one more name of a file that lives: never write into that. */
	if (fd < 0 && errno == EEXIST && unlink(path) == 0)
		fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	int result = file_write_all(fd, bytes, length);
	/* A network file system may report a full disk only at close(2). */
	if (close(fd) < 0 && result == 0 && errno != EINTR)
		result = -errno;
	return result;
}

int path_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int result = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return result;
}
