#include "release.h"

#include "bytes.h"
#include "failure.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char COMMAND_NAME[] = "sriovctl";

/* Reads a link into PATH_MAX bytes, with a NUL. Returns 0, or -1 with errno. */
static int read_link(const char *path, char *target)
{
	ssize_t length = readlink(path, target, PATH_MAX);

	if (length < 0)
		return -1;
	if (length >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	target[length] = '\0';
	return 0;
}

int path_join(char *path, const char *folder, const char *name)
{
	size_t length = strlen(folder);
	size_t name_length = strlen(name);

	if (length + 1 + name_length >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(path, folder, length);
	path[length] = '/';
	memcpy(path + length + 1, name, name_length + 1);
	return 0;
}

/* Finds the path of this program; without /proc, the path that it was started by. */
static int find_self(char *self)
{
	if (read_link("/proc/self/exe", self) == 0)
		return 0;
	const char *started_by = (const char *)getauxval(AT_EXECFN);
	return started_by != NULL && realpath(started_by, self) != NULL ? 0 : -1;
}

/* Splits the path of this program: self becomes its folder, *name the name after it. */
static int split_self(char *self, char **name)
{
	if (find_self(self) < 0)
		return -1;
	*name = strrchr(self, '/') + 1;
	(*name)[-1] = '\0';
	return 0;
}

bool release_is_command(void)
{
	char self[PATH_MAX];
	char *name;

	return split_self(self, &name) == 0 && strcmp(name, COMMAND_NAME) == 0;
}

int release_find(char *folder)
{
	static char self[PATH_MAX], base[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
	char *name;

	if (split_self(self, &name) < 0)
		return fail("cannot find", "itself");
	/* The operator's command lies in the folder of the releases, the plugin beside it. */
	if (strcmp(name, COMMAND_NAME) == 0)
		strcpy(base, self);
	else if (path_join(base, self, ".sriov") < 0)
		return fail("cannot use", self);
	if (path_join(link, base, "current") < 0)
		return fail("cannot use", base);
	if (read_link(link, target) < 0)
		return fail("cannot read", link);
	if (path_join(folder, base, target) < 0)
		return fail("cannot use", base);
	return 0;
}

/* Prints a whole file of less than 4096 bytes. If it is missing or larger, false without output. */
static bool print_file(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	long length = read_some(fd, text, sizeof(text));
	close(fd);
	/* Without a newline at its end the file is truncated, and no answer. */
	return length > 0 && (size_t)length < sizeof(text) && text[length - 1] == '\n' &&
	       write_all(STDOUT_FILENO, text, (size_t)length);
}

bool release_print_version(void)
{
	static char self[PATH_MAX], path[PATH_MAX];
	char *name;

	return split_self(self, &name) == 0 && path_join(path, self, ".sriov/current/version.json") == 0 &&
	       print_file(path);
}
