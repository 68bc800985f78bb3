/* Hands one call to the resident process. */
#ifndef SRIOV_SHIM_RESIDENT_H
#define SRIOV_SHIM_RESIDENT_H

#include "bytes.h"

enum outcome {
	ANSWERED,
	/* The call was not begun. */
	NOT_TAKEN,
	/* The call was begun, but its answer never came: the resident process died. */
	BROKEN_OFF,
};

struct answer {
	int exit_code;
	const unsigned char *out;
	size_t out_length;
	const unsigned char *error;
	size_t error_length;
};

/*
 * Sends a request to the socket at a path, with a descriptor or -1, and waits
 * for the answer. The answer stays valid until this process ends.
 */
enum outcome resident_call(const char *path, const struct bytes *request, int passed_fd,
			   struct answer *answer);

#endif
