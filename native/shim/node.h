/*
 * How the Node.js of a release is started: its command line, and an environment
 * in which the caller's variables have no effect.
 */
#ifndef SRIOV_SHIM_NODE_H
#define SRIOV_SHIM_NODE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Node.js gets the caller's variables under names with this prefix. All of them
 * reach the plugin, and none affects the loader, the C library, OpenSSL or
 * Node.js itself. src/host/process/launched.ts removes the prefix.
 */
#define CALLER_PREFIX "CALLER_"

enum { MAX_WORDS = 64 };

struct command {
	/* NULL-terminated. */
	char *words[MAX_WORDS + 1];
	size_t count;
};

/*
 * Makes the plugin's command line for one call, with or without its bytecode.
 * False, with errno, on failure. The words point into static memory.
 */
bool node_for_plugin(struct command *command, const char *release, bool with_bytecode);

/*
 * Makes the command line of the operator's command, with the arguments of this
 * program. False, with errno, on failure. The words point into static memory
 * and `arguments`.
 */
bool node_for_command(struct command *command, const char *release, char *const arguments[]);

/* Returns our own variables, then the caller's with the prefix. NULL when out of memory. */
char **node_environment(const char *const own[], char *const caller[]);

#endif
