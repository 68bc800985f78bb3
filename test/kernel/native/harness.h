/* What the parts of the harness share. */
#ifndef SRIOV_HARNESS_H
#define SRIOV_HARNESS_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUIRE(condition)                                                                   \
	do {                                                                                 \
		if (!(condition)) {                                                          \
			fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
			exit(1);                                                             \
		}                                                                            \
	} while (0)

/* The sockets of the resident process; `file` is any descriptor to pass. */
void unix_sockets(int other, int file);

#endif
