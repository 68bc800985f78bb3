#include "bytes.h"
#include "failure.h"
#include "release.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

static const char COMMAND_NAME[] = "sriovctl";

enum { MAX_WORDS = 64 };

/* Reads a link into a buffer of PATH_MAX bytes. */
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

static int join(char *path, const char *folder, const char *name)
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

/* The path of this program without its name; the name comes behind it. */
static int split_self(char *self, char **name)
{
	if (read_link("/proc/self/exe", self) < 0)
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

struct command {
	char *words[MAX_WORDS + 1];
	size_t count;
};

static void add(struct command *command, char *word)
{
	if (command->count < MAX_WORDS)
		command->words[command->count++] = word;
}

/* Finds the release and begins the command line of its Node.js. 0, or the exit code after it was said what is wrong. */
static int begin(struct command *command, char *release)
{
	static char self[PATH_MAX], base[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
	static char loader[PATH_MAX], libraries[PATH_MAX], node[PATH_MAX];
	char *name;

	if (split_self(self, &name) < 0)
		return fail("cannot find itself by", "/proc/self/exe");
	/* The plugin lies beside the folder of the releases, the operator's command in it. */
	if (strcmp(name, COMMAND_NAME) == 0)
		strcpy(base, self);
	else if (join(base, self, ".sriov") < 0)
		return fail("cannot use", self);
	if (join(link, base, "current") < 0)
		return fail("cannot use", base);
	if (read_link(link, target) < 0)
		return fail("cannot read", link);
	if (join(release, base, target) < 0 || join(loader, release, "loader") < 0 ||
	    join(libraries, release, "lib") < 0 || join(node, release, "node") < 0)
		return fail("cannot use", base);
	/* A node that is linked statically comes without a loader. */
	if (access(loader, X_OK) == 0) {
		add(command, loader);
		add(command, "--library-path");
		add(command, libraries);
	}
	add(command, node);
	return 0;
}

static int become(struct command *command, char *environment[])
{
	command->words[command->count] = NULL;
	execve(command->words[0], command->words, environment);
	return fail("cannot start", command->words[0]);
}

/* Prints a small file whole; false when it is not there, or not small, with nothing printed. */
static bool print_file(const char *path)
{
	char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	long length = read_some(fd, text, sizeof(text));
	close(fd);
	return length > 0 && (size_t)length < sizeof(text) && write_all(STDOUT_FILENO, text, (size_t)length);
}

bool release_print_version(void)
{
	static char self[PATH_MAX], path[PATH_MAX];
	char *name;

	return split_self(self, &name) == 0 && join(path, self, ".sriov/current/version.json") == 0 &&
	       print_file(path);
}

static void add_interpreter_flags(struct command *command)
{
	add(command, "--jitless");
	add(command, "--no-expose-wasm");
}

int release_run_plugin(char *environment[])
{
	static char release[PATH_MAX], script[PATH_MAX], snapshot[PATH_MAX];
	struct command command = { .count = 0 };
	int exit_code = begin(&command, release);

	if (exit_code != 0)
		return exit_code;
	if (join(script, release, "main.cjs") < 0 || join(snapshot, release, "snapshot.blob") < 0)
		return fail("cannot use", release);
	/*
	 * Rehashing the snapshot protects servers, not a process of one call;
	 * its checksum is as good as that of the binary, which nobody computes.
	 * Nothing runs often enough to be worth compiling, and no thread has to
	 * wait for such work. scripts/install makes the snapshot with these flags.
	 */
	add(&command, "--no-rehash-snapshot");
	add(&command, "--no-verify-snapshot-checksum");
	add_interpreter_flags(&command);
	add(&command, "--v8-pool-size=0");
	if (access(snapshot, R_OK) == 0) {
		add(&command, "--snapshot-blob");
		add(&command, snapshot);
		add(&command, release);
	} else {
		add(&command, script);
	}
	return become(&command, environment);
}

int release_run_command(char *argv[], char *environment[])
{
	static char release[PATH_MAX], script[PATH_MAX];
	struct command command = { .count = 0 };
	int exit_code = begin(&command, release);

	if (exit_code != 0)
		return exit_code;
	if (join(script, release, "ctl.cjs") < 0)
		return fail("cannot use", release);
	/*
	 * The resident process lives in little memory: small generations, and
	 * one thread that tidies up. Some hundred calls a day are nothing to
	 * compile for, and nobody is to write code into a process of root's.
	 */
	add_interpreter_flags(&command);
	add(&command, "--max-semi-space-size=1");
	add(&command, "--max-old-space-size=96");
	add(&command, "--v8-pool-size=1");
	add(&command, script);
	for (char **argument = argv + 1; argv[0] != NULL && *argument != NULL; argument++) {
		if (command.count == MAX_WORDS) {
			errno = E2BIG;
			return fail("cannot start", script);
		}
		add(&command, *argument);
	}
	return become(&command, environment);
}
