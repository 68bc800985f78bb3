/*
 * Makes a frame of one call for the resident process, and restores stdin for
 * the plugin that answers the call instead.
 */
#ifndef SRIOV_SHIM_REQUEST_H
#define SRIOV_SHIM_REQUEST_H

#include "bytes.h"

struct request {
	struct bytes frame;
	size_t stdin_offset;
	bool has_read_stdin;
	/* A memfd with all of stdin when that is too large for a frame; otherwise negative. */
	int spilled_stdin;
};

/*
 * Makes the frame from this process's environment and stdin. Reads stdin only
 * for verbs that have a configuration. False when no frame can be made.
 */
bool request_make(struct request *request, char *const environment[]);

/* Restores stdin so that the next reader gets all of it. False when that fails. */
bool request_give_back_stdin(struct request *request);

#endif
