/*
 * DIR/sriov: hands the call to the resident process if there is one. Otherwise
 * it starts the plugin in DIR/.sriov/current, with the Node.js, the loader and
 * the libraries from that folder. It needs nothing from the host: no PATH, no
 * working directory, no Node.js, no C library, no /proc.
 *
 * When the resident process fails, the launcher still carries the call out.
 * When Node.js fails, the launcher still answers the call.
 */
#include "failure.h"
#include "node.h"
#include "one_shot.h"
#include "protocol.h"
#include "release.h"
#include "request.h"
#include "resident.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * Opens /dev/null for each standard stream that the caller closed, as Node.js
 * does. Otherwise a file or socket opened later would get that number.
 */
static bool open_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	}
	return true;
}

/* Returns the resident process's socket path; NULL if the path is empty or nothing is there. */
static const char *resident_socket(void)
{
	const char *path = getenv(RESIDENT_SOCKET_VARIABLE);

	if (path == NULL)
		path = RESIDENT_SOCKET;
	return path[0] != '\0' && access(path, F_OK) == 0 ? path : NULL;
}

/* Opens CNI_NETNS as this process sees it; -1 when it is unset or cannot be opened. */
static int open_pod_netns(void)
{
	const char *path = getenv("CNI_NETNS");

	return path == NULL || path[0] == '\0' ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static long long milliseconds_since_1970(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int print(const struct answer *answer)
{
	/* When the reader is gone, write(2) must fail instead of killing us. */
	signal(SIGPIPE, SIG_IGN);
	(void)write_all(STDERR_FILENO, answer->error, answer->error_length);
	return write_all(STDOUT_FILENO, answer->out, answer->out_length) ? answer->exit_code : 1;
}

/*
 * Becomes the operator's command. Returns only on failure, after printing the
 * error: the exit code.
 */
static int run_command(char *const arguments[], char *const environment[])
{
	static char release[PATH_MAX];
	static const char *const nothing[] = { NULL };
	struct command command;
	int exit_code = release_find(release);

	if (exit_code != 0)
		return exit_code;
	char **all = node_environment(nothing, environment);
	if (all != NULL && node_for_command(&command, release, arguments))
		execve(command.words[0], command.words, all);
	return fail("cannot start", release);
}

int main(int argc, char *argv[], char *environment[])
{
	static struct request request;
	struct answer answer;
	enum outcome outcome = NOT_TAKEN;
	long long begun_at = milliseconds_since_1970();

	if (!open_standard_streams())
		return fail("cannot open", "/dev/null");
	if (release_is_command())
		return run_command(argv + (argc > 0), environment);
	const char *verb = getenv("CNI_COMMAND");
	if (verb != NULL && strcmp(verb, "VERSION") == 0 && release_print_version())
		return 0;
	const char *path = resident_socket();
	if (path != NULL && request_make(&request, environment))
		outcome = resident_call(path, &request.frame, open_pod_netns(), &answer);
	if (outcome == ANSWERED)
		return print(&answer);
	if (path != NULL && !request_give_back_stdin(&request))
		return fail("cannot keep", "stdin");
	return one_shot_run(environment, outcome == BROKEN_OFF ? begun_at : 0);
}
