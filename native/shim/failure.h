/* What the launcher says when it can do nothing else: CNI error documents, the only form a runtime shows. */
#ifndef SRIOV_SHIM_FAILURE_H
#define SRIOV_SHIM_FAILURE_H

#include "bytes.h"

/* CNI error codes of docs/errors.md. */
enum { CODE_NODE_FAILED = 111, CODE_OTHER = 999 };

/* The name of an errno; "an error" where it has none here. strerror(3) would say words that a runtime swallows. */
const char *errno_name(int code);

/* Appends a text up to its NUL. */
bool append_text(struct bytes *bytes, const char *text);

/* Appends a number in decimal. */
bool append_number(struct bytes *bytes, unsigned long number);

/* Says what is wrong, and errno. Returns the exit code. */
int fail(const char *what, const char *path);

/* Says a message in plain text, with details or NULL. Returns the exit code. */
int fail_with(unsigned code, const struct bytes *message, const struct bytes *details);

#endif
