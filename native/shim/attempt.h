/*
 * One start of the plugin as a child of the launcher: nothing that becomes of
 * it leaves the call without an answer.
 *
 * The child has stdin and stdout of the launcher, which never touches them
 * while it runs. On descriptor REPORT_FD it says how far it came
 * (src/host/launched.ts): REPORT_BEGUN before it does anything at all,
 * REPORT_ANSWERED and its exit code as a byte once its answer is out.
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
	/* The launcher could make no child. */
	NOT_STARTED,
	/* Node.js never came to the plugin: the call can be made again, stdin was not read. */
	NOT_BEGUN,
	/* It ended before it had answered, and may have changed something. */
	BEGUN,
	FINISHED,
};

struct attempt {
	enum progress progress;
	/* Once FINISHED. */
	int exit_code;
	/* How it ended, as waitpid(2) has it; or why it could not be executed. */
	int status;
	int exec_errno;
	/* The first that came on stderr before it had begun; what comes later is passed on at once. */
	struct bytes said;
};

/* Starts it, passes signals on to it, and waits for its end. It ends with the launcher, whatever ends that. */
void attempt_run(struct attempt *attempt, const struct command *command, char *const environment[]);

#endif
