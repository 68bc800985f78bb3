/* The release that is installed: DIR/.sriov/current, and how its Node.js is started. */
#ifndef SRIOV_SHIM_RELEASE_H
#define SRIOV_SHIM_RELEASE_H

#include <stdbool.h>

/* Whether this program is the operator's command, DIR/.sriov/sriovctl, and not the plugin. */
bool release_is_command(void);

/* Becomes the plugin, for one call. Returns only when that fails, having said so: the exit code. */
int release_run_plugin(char *environment[]);

/* Becomes the operator's command. The same. */
int release_run_command(char *argv[], char *environment[]);

#endif
