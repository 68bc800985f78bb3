/* Runs a call in its own Node.js process. */
#ifndef SRIOV_SHIM_ONE_SHOT_H
#define SRIOV_SHIM_ONE_SHOT_H

#include <stdbool.h>

/*
 * Carries the call out, and answers it even when Node.js fails. If the plugin
 * never began with its bytecode, the call is tried once more without it. If the
 * plugin began and did not finish, the call is never tried again. Returns the
 * exit code.
 *
 * `is_repeated`: this call was begun before, and may even have completed.
 */
int one_shot_run(char *const environment[], bool is_repeated);

#endif
