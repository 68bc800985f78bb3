/* The release that is installed: DIR/.sriov/current, found from where this program lies. */
#ifndef SRIOV_SHIM_RELEASE_H
#define SRIOV_SHIM_RELEASE_H

#include <limits.h>
#include <stdbool.h>

/* Whether this program is the operator's command, DIR/.sriov/sriovctl, and not the plugin. */
bool release_is_command(void);

/*
 * Prints what the plugin answers to VERSION, which depends on nothing but the
 * release: it was asked when the release was made. Runtimes ask before their
 * calls. False when there is no such answer, with nothing printed.
 */
bool release_print_version(void);

/*
 * The folder of the release, PATH_MAX bytes. `current` is a link that is read
 * once, so that an upgrade that switches it meanwhile cannot mix two releases.
 * 0, or the exit code after it was said what is wrong.
 */
int release_find(char *folder);

/* Joins a folder and a name into PATH_MAX bytes. Below zero, with errno, when there is no room. */
int path_join(char *path, const char *folder, const char *name);

#endif
