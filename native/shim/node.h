/* How the Node.js of a release is started: its command line, and an environment in which nothing of the caller works. */
#ifndef SRIOV_SHIM_NODE_H
#define SRIOV_SHIM_NODE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The caller's variables are handed to Node.js under names with this prefix:
 * all of them reach the plugin, and none reaches the loader, the C library,
 * OpenSSL or Node.js itself. src/host/launched.ts takes it off again.
 */
#define CALLER_PREFIX "CALLER_"

enum { MAX_WORDS = 64 };

struct command {
	/* The last is NULL. */
	char *words[MAX_WORDS + 1];
	size_t count;
};

/* The command line of the plugin for one call, without its bytecode or with it. False, with errno, when it cannot be. */
bool node_for_plugin(struct command *command, const char *release, bool with_bytecode);

/* The command line of the operator's command with the arguments of this program. The same. */
bool node_for_command(struct command *command, const char *release, char *const arguments[]);

/* Variables of our own, and behind them the caller's by their prefix. NULL when memory is short. */
char **node_environment(const char *const own[], char *const caller[]);

#endif
