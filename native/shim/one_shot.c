#include "one_shot.h"

#include "attempt.h"
#include "bytecode.h"
#include "failure.h"
#include "protocol.h"
#include "release.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Tells the plugin why it is started a second time; the plugin logs it. */
#define FALLBACK_VARIABLE "SRIOV_CNI_FALLBACK"

#define TEXT_OF(number) TEXT_OF_(number)
#define TEXT_OF_(number) #number

static bool append_ending(struct bytes *text, const struct attempt *attempt)
{
	int status = attempt->status;

	if (attempt->exec_errno != 0)
		return append_text(text, "could not be executed (") &&
		       append_text(text, errno_name(attempt->exec_errno)) && append_text(text, ")");
	if (WIFSIGNALED(status))
		return append_text(text, "was ended by signal ") &&
		       append_number(text, (unsigned long)WTERMSIG(status));
	return append_text(text, "ended with status ") && append_number(text, (unsigned long)WEXITSTATUS(status));
}

/*
 * Returns `SRIOV_CNI_FALLBACK=Node.js …` with the start of what Node.js printed
 * on stderr, or NULL when out of memory.
 */
static const char *fallback_of(const struct attempt *first)
{
	static struct bytes text;
	size_t length = 0;

	while (length < first->said.length && length < 300 && first->said.data[length] != '\0')
		length++;
	return append_text(&text, FALLBACK_VARIABLE "=Node.js with the bytecode of the release ") &&
		       append_ending(&text, first) && append_text(&text, ": ") &&
		       bytes_append(&text, first->said.data, length) && bytes_append(&text, "", 1) ?
		(const char *)text.data : NULL;
}

static int fail_not_begun(const char *release, const struct attempt *last, bool was_tried_twice)
{
	struct bytes text = { 0 };

	(void)(append_text(&text, "the plugin cannot be started: Node.js of ") && append_text(&text, release) &&
	       append_text(&text, " ") && append_ending(&text, last) &&
	       append_text(&text, was_tried_twice ? ", with its bytecode and without" : "") &&
	       append_text(&text, ". Nothing was changed. Install the plugin again, or its release before; "
				  "what Node.js said is in the details"));
	return fail_with(CODE_NODE_FAILED, &text, &last->said);
}

static int fail_begun(const char *release, const struct attempt *attempt)
{
	struct bytes text = { 0 };

	(void)(append_text(&text, "the plugin had begun and did not come to an answer: its Node.js (") &&
	       append_text(&text, release) && append_text(&text, ") ") && append_ending(&text, attempt) &&
	       append_text(&text, ". What it has changed is on record: DEL or GC gives it back. "
				  "Its log is on stderr or in logFile"));
	return fail_with(CODE_NODE_FAILED, &text, NULL);
}

static char **environment_for(char *const caller[], const char *report, long long begun_at, const char *fallback)
{
	static char repeated[sizeof(REPEATED_VARIABLE) + 24];
	const char *own[4] = { NULL };
	size_t count = 0;

	if (report != NULL)
		own[count++] = report;
	if (begun_at != 0) {
		(void)snprintf(repeated, sizeof(repeated), REPEATED_VARIABLE "=%lld", begun_at);
		own[count++] = repeated;
	}
	if (fallback != NULL)
		own[count++] = fallback;
	return node_environment(own, caller);
}

int one_shot_run(char *const environment[], long long begun_at)
{
	static char release[PATH_MAX];
	static const char report[] = REPORT_VARIABLE "=" TEXT_OF(REPORT_FD);
	struct attempt attempt;
	struct command command;
	const char *fallback = NULL;
	int exit_code = release_find(release);

	if (exit_code != 0)
		return exit_code;
	for (bool with_bytecode = bytecode_is_whole(release);; with_bytecode = false) {
		char **all = environment_for(environment, report, begun_at, fallback);
		if (all == NULL || !node_for_plugin(&command, release, with_bytecode))
			return fail("cannot start", release);
		attempt_run(&attempt, &command, all);
		if (attempt.progress != NOT_BEGUN || !with_bytecode || attempt.was_told_to_end)
			break;
		fallback = fallback_of(&attempt);
	}
	switch (attempt.progress) {
	case FINISHED:
		return attempt.exit_code;
	case BEGUN:
		return fail_begun(release, &attempt);
	case NOT_BEGUN:
		return fail_not_begun(release, &attempt, fallback != NULL);
	case NOT_STARTED:
		break;
	}
	/* No child could be created. Become Node.js: an unobserved call is better than none. */
	char **all = environment_for(environment, NULL, begun_at, fallback);
	if (all != NULL)
		execve(command.words[0], command.words, all);
	return fail("cannot start", command.words[0]);
}
