/* A call in a Node.js process of its own. */
#ifndef SRIOV_SHIM_ONE_SHOT_H
#define SRIOV_SHIM_ONE_SHOT_H

#include <stdbool.h>

/*
 * Carries the call out, and answers it whatever becomes of Node.js. Where the
 * plugin never began, the call is made once more in the plainest way; where it
 * began and did not end, never. Returns the exit code.
 *
 * `is_repeated`: this very call was begun before, and may even have been
 * through.
 */
int one_shot_run(char *const environment[], bool is_repeated);

#endif
