/* The release that is installed: DIR/.sriov/current, and how its Node.js is started. */
#ifndef SRIOV_SHIM_RELEASE_H
#define SRIOV_SHIM_RELEASE_H

#include <stdbool.h>

/* Whether this program is the operator's command, DIR/.sriov/sriovctl, and not the plugin. */
bool release_is_command(void);

/*
 * Prints what the plugin answers to VERSION, which depends on nothing but the
 * release: scripts/install has asked it. Runtimes ask before their calls.
 * False when there is no such answer, with nothing printed.
 */
bool release_print_version(void);

/* Becomes the plugin, for one call. Returns only when that fails, having said so: the exit code. */
int release_run_plugin(char *environment[]);

/* Becomes the operator's command. The same. */
int release_run_command(char *argv[], char *environment[]);

#endif
