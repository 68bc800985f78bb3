/*
 * DIR/sriov: hands the call to the resident process where there is one, and
 * otherwise becomes the plugin that lies in DIR/.sriov/current, with the
 * Node.js, the loader and the libraries that lie there with it. Needs nothing
 * of the host: no PATH, no working directory, no Node.js, no C library.
 *
 * Whatever goes wrong with the resident process, the call is carried out: no
 * pod fails because of it.
 *
 * `current` is a link to the folder of one release. It is read once, so that
 * an upgrade that switches it meanwhile cannot mix two releases.
 */
#include "failure.h"
#include "protocol.h"
#include "release.h"
#include "request.h"
#include "resident.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* NODE_OPTIONS and its kin of the caller would change, or break, the bundled Node.js. */
static void drop_node_variables(char **environment)
{
	char **kept = environment;

	for (char **variable = environment; *variable != NULL; variable++) {
		if (strncmp(*variable, "NODE_", 5) != 0)
			*kept++ = *variable;
	}
	*kept = NULL;
}

/* A caller that closed one of the three would find a socket or a file there. Node.js does the same. */
static bool open_standard_streams(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	}
	return true;
}

/* Where the resident process may listen; NULL when it surely does not. */
static const char *resident_socket(void)
{
	const char *path = getenv(RESIDENT_SOCKET_VARIABLE);

	if (path == NULL)
		path = RESIDENT_SOCKET;
	return path[0] != '\0' && access(path, F_OK) == 0 ? path : NULL;
}

/* The pod's network namespace as this process sees it; -1 when nothing is there. */
static int open_pod_netns(void)
{
	const char *path = getenv("CNI_NETNS");

	return path == NULL || path[0] == '\0' ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static int print(const struct answer *answer)
{
	/* A reader that is gone is an error like any other. */
	signal(SIGPIPE, SIG_IGN);
	(void)write_all(STDERR_FILENO, answer->error, answer->error_length);
	return write_all(STDOUT_FILENO, answer->out, answer->out_length) ? answer->exit_code : 1;
}

/* Tells the plugin that this very call was begun before, and may even have been through. */
static char **mark_as_repeated(char **environment)
{
	struct bytes list = { 0 };
	char *mark = REPEATED_VARIABLE "=1";
	size_t count = 0;

	while (environment[count] != NULL)
		count++;
	/* The mark first; of a name that is there twice, the first counts. */
	if (!bytes_append(&list, &mark, sizeof(mark)) ||
	    !bytes_append(&list, environment, (count + 1) * sizeof(char *)))
		return environment;
	return (char **)(void *)list.data;
}

int main(int argc, char *argv[], char *environment[])
{
	static struct request request;
	struct answer answer;
	enum outcome outcome = NOT_TAKEN;

	(void)argc;
	drop_node_variables(environment);
	if (release_is_command())
		return release_run_command(argv, environment);
	const char *verb = getenv("CNI_COMMAND");
	if (verb != NULL && strcmp(verb, "VERSION") == 0 && release_print_version())
		return 0;
	const char *path = resident_socket();
	if (path == NULL || !open_standard_streams())
		return release_run_plugin(environment);
	if (request_make(&request, environment))
		outcome = resident_call(path, &request.frame, open_pod_netns(), &answer);
	if (outcome == ANSWERED)
		return print(&answer);
	if (!request_give_back_stdin(&request))
		return fail("cannot keep", "stdin");
	return release_run_plugin(outcome == BROKEN_OFF ? mark_as_repeated(environment) : environment);
}
