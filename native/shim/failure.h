/* What the launcher says when it can do nothing else. */
#ifndef SRIOV_SHIM_FAILURE_H
#define SRIOV_SHIM_FAILURE_H

/*
 * Says what is wrong, and errno, as a CNI error document: the only form a
 * runtime shows to its operator. Returns the exit code.
 */
int fail(const char *what, const char *path);

#endif
