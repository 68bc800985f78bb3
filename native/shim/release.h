/* Finds the installed release, DIR/.sriov/current, relative to this program. */
#ifndef SRIOV_SHIM_RELEASE_H
#define SRIOV_SHIM_RELEASE_H

#include <limits.h>
#include <stdbool.h>

/* Whether this program is the operator's command, DIR/.sriov/sriovctl, and not the plugin. */
bool release_is_command(void);

/*
 * Prints the plugin's answer to VERSION. The answer depends only on the
 * release, so it is recorded when the release is made. Runtimes ask for it
 * before their calls. False, without output, when no answer is recorded.
 */
bool release_print_version(void);

/*
 * Finds the folder of the release; `folder` has PATH_MAX bytes. The link
 * `current` is read only once, so that a concurrent upgrade cannot mix two
 * releases. Returns 0, or the exit code after printing an error.
 */
int release_find(char *folder);

/* Joins a folder and a name into PATH_MAX bytes. Returns 0, or -1 with errno when too long. */
int path_join(char *path, const char *folder, const char *name);

#endif
