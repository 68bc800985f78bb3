#include "failure.h"

#include "bytes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* CNI error code of everything that has no other (docs/errors.md). */
#define BEGIN "{\"code\":999,\"msg\":\"sriov launcher: "

int fail(const char *what, const char *path)
{
	const char *const parts[] = { BEGIN, what, " ", path, ": ", strerror(errno), "\"}\n" };
	struct bytes document = { 0 };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		(void)bytes_append(&document, parts[i], strlen(parts[i]));
	(void)write_all(STDOUT_FILENO, document.data, document.length);
	return 1;
}
