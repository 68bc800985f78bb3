#include "attempt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's report when execve(2) fails; the errno follows as one byte. */
#define REPORT_NO_EXEC 'X'

enum { MAX_SAID_BYTES = 4096 };

static const int PASSED_ON[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 };

/* How the launcher observes its child. A negative descriptor has reached its end of file. */
struct watch {
	pid_t pid;
	int signals;
	int report;
	int errors;
	bool has_ended;
	/* The first byte of a two-byte report whose second byte is still missing; else 0. */
	char expects_value_of;
};

static void close_all(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

/* Never returns. Calls only functions that are safe between fork(2) and execve(2). */
static void become(const struct command *command, char *const environment[], int report, int errors, pid_t parent,
		   const sigset_t *mask)
{
	char failure[2] = { REPORT_NO_EXEC, 0 };

	/* An orphan would keep working although the runtime considers the call finished. */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() == parent && dup2(errors, STDERR_FILENO) == STDERR_FILENO) {
		/* dup2(2) onto itself keeps FD_CLOEXEC, so that execve(2) would close it. */
		if (report == REPORT_FD)
			(void)fcntl(report, F_SETFD, 0);
		else if (dup2(report, REPORT_FD) != REPORT_FD)
			_exit(1);
		(void)sigprocmask(SIG_SETMASK, mask, NULL);
		execve(command->words[0], command->words, environment);
	}
	failure[1] = (char)errno;
	(void)write_all(REPORT_FD, failure, sizeof(failure));
	_exit(1);
}

static bool start(struct watch *watch, const struct command *command, char *const environment[],
		  const sigset_t *signals, const sigset_t *mask)
{
	int ends[4] = { -1, -1, -1, -1 };
	pid_t self = getpid();

	watch->signals = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (watch->signals >= 0 && pipe2(ends, O_CLOEXEC) == 0 && pipe2(ends + 2, O_CLOEXEC) == 0 &&
	    fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && fcntl(ends[2], F_SETFL, O_NONBLOCK) == 0) {
		watch->pid = fork();
		if (watch->pid == 0)
			become(command, environment, ends[1], ends[3], self, mask);
		if (watch->pid > 0) {
			close(ends[1]);
			close(ends[3]);
			watch->report = ends[0];
			watch->errors = ends[2];
			return true;
		}
	}
	close_all(ends, 4);
	close_all(&watch->signals, 1);
	return false;
}

static void take_signals(struct watch *watch, struct attempt *attempt)
{
	struct signalfd_siginfo info;

	while (read(watch->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo != SIGCHLD) {
			attempt->was_told_to_end = true;
			(void)kill(watch->pid, (int)info.ssi_signo);
		} else if (waitpid(watch->pid, &attempt->status, WNOHANG) == watch->pid) {
			watch->has_ended = true;
			return;
		}
	}
}

static void take_report(struct watch *watch, struct attempt *attempt, char byte)
{
	char kind = watch->expects_value_of;

	watch->expects_value_of = 0;
	if (kind == REPORT_NO_EXEC) {
		attempt->exec_errno = (unsigned char)byte;
	} else if (kind == REPORT_ANSWERED) {
		attempt->progress = FINISHED;
		attempt->exit_code = (unsigned char)byte;
	} else if (byte == REPORT_BEGUN) {
		attempt->progress = BEGUN;
	} else {
		watch->expects_value_of = byte;
	}
}

/* Returns the descriptor, or -1 at its end of file; take_errors() as well. */
static int take_reports(struct watch *watch, struct attempt *attempt)
{
	char bytes[16];
	ssize_t count;

	while ((count = read(watch->report, bytes, sizeof(bytes))) > 0) {
		for (ssize_t i = 0; i < count; i++)
			take_report(watch, attempt, bytes[i]);
	}
	return count == 0 ? -1 : watch->report;
}

static int take_errors(const struct watch *watch, struct attempt *attempt)
{
	unsigned char bytes[4096];
	ssize_t count;

	while ((count = read(watch->errors, bytes, sizeof(bytes))) > 0) {
		if (attempt->progress != NOT_BEGUN)
			(void)write_all(STDERR_FILENO, bytes, (size_t)count);
		else if (attempt->said.length < MAX_SAID_BYTES)
			(void)bytes_append(&attempt->said, bytes, (size_t)count);
	}
	return count == 0 ? -1 : watch->errors;
}

static void take_all(struct watch *watch, struct attempt *attempt)
{
	/* Read the reports first: REPORT_BEGUN decides whether stderr is kept or forwarded. */
	if (watch->report >= 0)
		watch->report = take_reports(watch, attempt);
	if (watch->errors >= 0)
		watch->errors = take_errors(watch, attempt);
}

/* So long a process may take to end after it has answered, in ms. */
enum { END_TIMEOUT_MS = 1000 };

/*
 * Waits for the process, not for end of file: its children may keep stderr open
 * longer. Once it has answered, not for ever: a thread in a write to sysfs that
 * the driver does not return from cannot even be killed, and nobody may wait
 * for that driver who has an answer.
 */
static void follow(struct watch *watch, struct attempt *attempt)
{
	bool is_late = false;

	while (!watch->has_ended && !is_late) {
		struct pollfd ready[] = {
			{ .fd = watch->signals, .events = POLLIN },
			{ .fd = watch->report, .events = POLLIN },
			{ .fd = watch->errors, .events = POLLIN },
		};
		bool is_answered = attempt->progress == FINISHED;
		int count = poll(ready, 3, is_answered ? END_TIMEOUT_MS : -1);
		if (count < 0 && errno != EINTR)
			break;
		is_late = is_answered && count == 0;
		take_all(watch, attempt);
		take_signals(watch, attempt);
	}
	if (!watch->has_ended && attempt->progress != FINISHED)
		(void)waitpid(watch->pid, &attempt->status, 0);
	take_all(watch, attempt);
}

void attempt_run(struct attempt *attempt, const struct command *command, char *const environment[])
{
	struct watch watch = { .report = -1, .errors = -1 };
	sigset_t signals, mask;

	*attempt = (struct attempt){ .progress = NOT_STARTED };
	sigemptyset(&signals);
	for (size_t i = 0; i < sizeof(PASSED_ON) / sizeof(PASSED_ON[0]); i++)
		sigaddset(&signals, PASSED_ON[i]);
	sigaddset(&signals, SIGCHLD);
	/*
	 * If our caller ignores SIGCHLD, the end of the child goes unnoticed. SIGPIPE would kill
	 * us when the reader of our stderr is gone.
	 */
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	(void)sigprocmask(SIG_BLOCK, &signals, &mask);
	if (start(&watch, command, environment, &signals, &mask)) {
		attempt->progress = NOT_BEGUN;
		follow(&watch, attempt);
		close_all((const int[]){ watch.signals, watch.report, watch.errors }, 3);
	}
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
}
