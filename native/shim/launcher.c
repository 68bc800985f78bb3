/*
 * DIR/sriov: starts the plugin that lies in DIR/.sriov/current, with the
 * Node.js, the loader and the libraries that lie there with it. Needs nothing
 * of the host: no PATH, no working directory, no Node.js, no C library.
 *
 * `current` is a link to the folder of one release. It is read once, so that
 * an upgrade that switches it meanwhile cannot mix two releases.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* CNI error code of everything that has no other (docs/errors.md). */
static const int CODE_INTERNAL = 999;

/* Says what is wrong as a CNI error document, the only form a runtime shows to its operator. */
static int fail(const char *what, const char *path)
{
	printf("{\"code\":%d,\"msg\":\"sriov launcher: %s %s: %s\"}\n", CODE_INTERNAL, what, path,
	       strerror(errno));
	return 1;
}

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
	if (snprintf(path, PATH_MAX, "%s/%s", folder, name) >= PATH_MAX) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/* NODE_OPTIONS and its kin of the caller would change, or break, the bundled Node.js. */
static void drop_node_variables(char **environment)
{
	char **kept = environment;

	for (char **variable = environment; *variable != NULL; variable++) {
		if (strncmp(*variable, "NODE_", 5) != 0)
			*kept++ = *variable;
	}
	*kept = NULL;
}

int main(int argc, char *argv[], char *environment[])
{
	static char self[PATH_MAX], base[PATH_MAX], link[PATH_MAX], target[PATH_MAX];
	static char release[PATH_MAX], loader[PATH_MAX], libraries[PATH_MAX], node[PATH_MAX];
	static char script[PATH_MAX], snapshot[PATH_MAX];
	char *command[16];
	size_t count = 0;

	(void)argc;
	(void)argv;
	if (read_link("/proc/self/exe", self) < 0)
		return fail("cannot find itself by", "/proc/self/exe");
	*strrchr(self, '/') = '\0';
	if (join(base, self, ".sriov") < 0 || join(link, base, "current") < 0)
		return fail("cannot use", self);
	if (read_link(link, target) < 0)
		return fail("cannot read", link);
	if (join(release, base, target) < 0 || join(loader, release, "loader") < 0 ||
	    join(libraries, release, "lib") < 0 || join(node, release, "node") < 0 ||
	    join(script, release, "main.cjs") < 0 || join(snapshot, release, "snapshot.blob") < 0)
		return fail("cannot use", base);

	/* A node that is linked statically comes without a loader. */
	if (access(loader, X_OK) == 0) {
		command[count++] = loader;
		command[count++] = "--library-path";
		command[count++] = libraries;
	}
	command[count++] = node;
	/*
	 * Rehashing the snapshot protects servers, not a process of one call;
	 * its checksum is as good as that of the binary, which nobody computes.
	 * Nothing runs often enough to be worth compiling, and no thread has to
	 * wait for such work. scripts/install makes the snapshot with these flags.
	 */
	command[count++] = "--no-rehash-snapshot";
	command[count++] = "--no-verify-snapshot-checksum";
	command[count++] = "--jitless";
	command[count++] = "--no-expose-wasm";
	command[count++] = "--v8-pool-size=0";
	if (access(snapshot, R_OK) == 0) {
		command[count++] = "--snapshot-blob";
		command[count++] = snapshot;
		command[count++] = release;
	} else {
		command[count++] = script;
	}
	command[count] = NULL;

	drop_node_variables(environment);
	execve(command[0], command, environment);
	return fail("cannot start", command[0]);
}
