/* One call as a frame for the resident process; and stdin given back to whoever answers it instead. */
#ifndef SRIOV_SHIM_REQUEST_H
#define SRIOV_SHIM_REQUEST_H

#include "bytes.h"

struct request {
	struct bytes frame;
	size_t stdin_offset;
	bool has_read_stdin;
	/* A memfd with all of stdin, where that was too large for a frame; below 0 there is none. */
	int spilled_stdin;
};

/*
 * Makes the frame of this process's environment and stdin; stdin is only read
 * for verbs that have a configuration. False when it cannot be sent.
 */
bool request_make(struct request *request, char *const environment[]);

/* Lets the next reader of stdin have all of it. False when there is no memory for that. */
bool request_give_back_stdin(struct request *request);

#endif
