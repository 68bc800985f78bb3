/*
 * Starts the plugin once as a child of the launcher. The launcher observes the
 * child, so that the call gets an answer whatever happens to the child.
 *
 * The child has stdin and stdout of the launcher, which does not touch them
 * while the child runs. On descriptor REPORT_FD the child reports its progress
 * (src/host/process/launched.ts): REPORT_BEGUN before it does anything at all,
 * REPORT_ANSWERED and its exit code as one byte after it has written its answer.
 */
#ifndef SRIOV_SHIM_ATTEMPT_H
#define SRIOV_SHIM_ATTEMPT_H

#include "bytes.h"
#include "node.h"

#define REPORT_FD 3
#define REPORT_VARIABLE "SRIOV_CNI_REPORT"
#define REPORT_BEGUN 'B'
#define REPORT_ANSWERED 'A'

enum progress {
	/* The launcher could not create a child. */
	NOT_STARTED,
	/* Node.js never reached the plugin and read no stdin: the call can be made again. */
	NOT_BEGUN,
	/* The plugin ended before it answered. It may have changed something. */
	BEGUN,
	FINISHED,
};

struct attempt {
	enum progress progress;
	/* Valid once FINISHED. */
	int exit_code;
	/* The wait status of waitpid(2). */
	int status;
	/* The errno of a failed execve(2), or 0. */
	int exec_errno;
	/* Whether a signal was passed on to it. */
	bool was_told_to_end;
	/* The first output on stderr before the plugin began. Output after that is forwarded. */
	struct bytes said;
};

/*
 * Starts the child, forwards signals to it and waits until it ends. When the
 * launcher dies for any reason, the kernel kills the child.
 */
void attempt_run(struct attempt *attempt, const struct command *command, char *const environment[]);

#endif
