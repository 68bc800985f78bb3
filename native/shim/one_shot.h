/* Runs a call in its own Node.js process. */
#ifndef SRIOV_SHIM_ONE_SHOT_H
#define SRIOV_SHIM_ONE_SHOT_H

/*
 * Carries the call out, and answers it even when Node.js fails. If the plugin
 * never began with its bytecode, the call is tried once more without it. If the
 * plugin began and did not finish, the call is never tried again. Returns the
 * exit code.
 *
 * `begun_at`: when this call was begun before, in milliseconds since 1970; it
 * may even have completed. 0 when it was not.
 */
int one_shot_run(char *const environment[], long long begun_at);

#endif
