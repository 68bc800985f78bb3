/*
 * Prints errors of the launcher itself as CNI error documents: runtimes show no
 * other form.
 */
#ifndef SRIOV_SHIM_FAILURE_H
#define SRIOV_SHIM_FAILURE_H

#include "bytes.h"

/* CNI error codes; docs/errors.md describes them. */
enum { CODE_NODE_FAILED = 111, CODE_OTHER = 999 };

/*
 * Returns the name of an errno, or "an error" when it is not in the table.
 * Never use strerror(3): some of its texts make containerd ignore the error.
 */
const char *errno_name(int code);

bool append_text(struct bytes *bytes, const char *text);

/* Appends the number in decimal. */
bool append_number(struct bytes *bytes, unsigned long number);

/* Prints `what`, `path` and the name of errno with CODE_OTHER. Returns the exit code. */
int fail(const char *what, const char *path);

/* Prints a plain-text message, with details unless NULL. Returns the exit code. */
int fail_with(unsigned code, const struct bytes *message, const struct bytes *details);

#endif
