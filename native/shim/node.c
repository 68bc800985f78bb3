#include "node.h"

#include "bytecode.h"
#include "bytes.h"
#include "release.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static bool add(struct command *command, char *word)
{
	if (command->count == MAX_WORDS) {
		errno = E2BIG;
		return false;
	}
	command->words[command->count++] = word;
	command->words[command->count] = NULL;
	return true;
}

static bool add_all(struct command *command, char *const words[])
{
	for (; *words != NULL; words++) {
		if (!add(command, *words))
			return false;
	}
	return true;
}

/* Adds the Node.js of a release. A statically linked one comes without a loader. */
static bool begin(struct command *command, const char *release)
{
	static char loader[PATH_MAX], libraries[PATH_MAX], node[PATH_MAX];

	command->count = 0;
	if (path_join(loader, release, "loader") < 0 || path_join(libraries, release, "lib") < 0 ||
	    path_join(node, release, "node") < 0)
		return false;
	/* Ignore the host's library cache: it names the host's libraries. */
	char *const by_loader[] = { loader, "--inhibit-cache", "--library-path", libraries, NULL };
	return (access(loader, F_OK) != 0 || add_all(command, by_loader)) && add(command, node);
}

/*
 * Rehashing the built-in snapshot protects servers, but not a process that ends
 * soon. The snapshot's checksum is not worth verifying: nobody verifies that of
 * the whole binary. No code runs often enough to be worth compiling, so no
 * thread needs to wait for that work.
 */
#define ENDS_SOON "--no-rehash-snapshot", "--no-verify-snapshot-checksum", "--jitless", "--v8-pool-size=0"

bool node_for_plugin(struct command *command, const char *release, bool with_bytecode)
{
	static char script[PATH_MAX], bytecode[PATH_MAX];
	/* The bytecode is made with the same flags. */
	char *const flags[] = { ENDS_SOON, NULL };

	return begin(command, release) && add_all(command, flags) &&
	       path_join(script, release, "start.cjs") == 0 && add(command, script) &&
	       (!with_bytecode ||
		(path_join(bytecode, release, BYTECODE_NAME) == 0 && add(command, bytecode)));
}

/* A verb of sriovctl whose process stays: its bundle, and how Node.js saves memory for it. */
struct staying {
	const char *verb;
	const char *bundle;
	char *const *flags;
};

/* Whether a process that stays is only asked for: the operator's command does that. */
static bool is_question(char *const arguments[])
{
	return arguments[0] != NULL && arguments[1] != NULL && strcmp(arguments[1], "--probe") == 0;
}

/* The bundle of a command, and its flags in *flags. */
static const char *bundle_of(char *const arguments[], char *const **flags)
{
	/*
	 * A process that stays must use little memory: small generations, and
	 * one thread for garbage collection. A few hundred calls a day are not
	 * worth compiling for, and nothing may write code into a root process
	 * that stays. The other commands end soon, and somebody waits for them.
	 */
	static char *const daemon[] = { "--jitless", "--max-semi-space-size=1",
					"--max-old-space-size=96", "--v8-pool-size=1", NULL };
	/* Nobody waits for the device plugin as for an ADD: it does without caches and threads (30 MB). */
	static char *const device_plugin[] = { "--jitless", "--lite-mode", "--max-semi-space-size=1",
					       "--max-old-space-size=96", "--v8-pool-size=0", NULL };
	static char *const ends_soon[] = { ENDS_SOON, NULL };
	static const struct staying verbs[] = {
		{ "daemon", "resident.cjs", daemon },
		{ "device-plugin", "device-plugin.cjs", device_plugin },
	};

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (arguments[0] != NULL && strcmp(arguments[0], verbs[i].verb) == 0 && !is_question(arguments)) {
			*flags = verbs[i].flags;
			return verbs[i].bundle;
		}
	}
	*flags = ends_soon;
	return "ctl.cjs";
}

bool node_for_command(struct command *command, const char *release, char *const arguments[])
{
	static char script[PATH_MAX];
	char *const *flags;
	const char *bundle = bundle_of(arguments, &flags);

	return begin(command, release) && add_all(command, flags) &&
	       path_join(script, release, bundle) == 0 && add(command, script) &&
	       add_all(command, arguments);
}

char **node_environment(const char *const own[], char *const caller[])
{
	struct bytes texts = { 0 }, list = { 0 };
	size_t count = 0;

	for (; own[count] != NULL; count++) {
		if (!bytes_append(&texts, own[count], strlen(own[count]) + 1))
			return NULL;
	}
	for (; *caller != NULL; caller++, count++) {
		if (!bytes_append(&texts, CALLER_PREFIX, strlen(CALLER_PREFIX)) ||
		    !bytes_append(&texts, *caller, strlen(*caller) + 1))
			return NULL;
	}
	/* The texts moved while they grew; only now are their addresses final. */
	char *text = (char *)texts.data;
	for (; count > 0; count--) {
		if (!bytes_append(&list, &text, sizeof(text)))
			return NULL;
		text += strlen(text) + 1;
	}
	text = NULL;
	return bytes_append(&list, &text, sizeof(text)) ? (char **)(void *)list.data : NULL;
}
