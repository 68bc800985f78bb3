#include "failure.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define NAME(code) { code, #code }

static const struct {
	int code;
	const char *name;
} NAMES[] = {
	NAME(EPERM), NAME(ENOENT), NAME(EINTR), NAME(EIO), NAME(E2BIG), NAME(ENOEXEC), NAME(EBADF),
	NAME(EAGAIN), NAME(ENOMEM), NAME(EACCES), NAME(EBUSY), NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL),
	NAME(ENFILE), NAME(EMFILE), NAME(ETXTBSY), NAME(ENOSPC), NAME(EROFS), NAME(EPIPE),
	NAME(ENAMETOOLONG), NAME(ELOOP), NAME(ELIBBAD), NAME(ESTALE),
};

/*
 * containerd's go-cni treats a failed DEL as a success when the error contains
 * one of these phrases anywhere. We print the replacement instead.
 */
static const struct {
	const char *words;
	const char *instead;
} SWALLOWED[] = {
	{ "no such file or directory", "ENOENT" },
	{ "not found", "missing" },
};

const char *errno_name(int code)
{
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		if (NAMES[i].code == code)
			return NAMES[i].name;
	}
	return "an error";
}

bool append_text(struct bytes *bytes, const char *text)
{
	return bytes_append(bytes, text, strlen(text));
}

bool append_number(struct bytes *bytes, unsigned long number)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + number % 10);
	while ((number /= 10) > 0);
	return bytes_append(bytes, digits + at, sizeof(digits) - at);
}

/*
 * If a phrase stands at the position `at`, sets *length to its length and
 * returns its replacement. Returns NULL otherwise.
 */
static const char *instead_of(const char *at, size_t left, size_t *length)
{
	for (size_t i = 0; i < sizeof(SWALLOWED) / sizeof(SWALLOWED[0]); i++) {
		*length = strlen(SWALLOWED[i].words);
		if (*length <= left && strncasecmp(at, SWALLOWED[i].words, *length) == 0)
			return SWALLOWED[i].instead;
	}
	return NULL;
}

/*
 * Appends text as the inside of a JSON string. A control character becomes a
 * space, a non-ASCII byte a question mark.
 */
static bool append_escaped(struct bytes *document, const struct bytes *text)
{
	const char *data = (const char *)text->data;

	for (size_t i = 0; i < text->length; i++) {
		unsigned char c = text->data[i];
		size_t length;
		const char *instead = instead_of(data + i, text->length - i, &length);
		if (instead != NULL) {
			if (!append_text(document, instead))
				return false;
			i += length - 1;
			continue;
		}
		if (c < ' ' || c == 0x7f)
			c = ' ';
		else if (c > 0x7f)
			c = '?';
		if ((c == '"' || c == '\\') && !append_text(document, "\\"))
			return false;
		if (!bytes_append(document, &c, 1))
			return false;
	}
	return true;
}

int fail_with(unsigned code, const struct bytes *message, const struct bytes *details)
{
	struct bytes document = { 0 };
	bool is_whole = append_text(&document, "{\"code\":") && append_number(&document, code) &&
			append_text(&document, ",\"msg\":\"") && append_escaped(&document, message);

	if (is_whole && details != NULL && details->length > 0)
		is_whole = append_text(&document, "\",\"details\":\"") && append_escaped(&document, details);
	if (is_whole && append_text(&document, "\"}\n"))
		(void)write_all(STDOUT_FILENO, document.data, document.length);
	else
		(void)write_all(STDOUT_FILENO, "{\"code\":999,\"msg\":\"sriov launcher: ENOMEM\"}\n", 44);
	return 1;
}

int fail(const char *what, const char *path)
{
	const char *const parts[] = { "sriov launcher: ", what, " ", path, ": ", errno_name(errno) };
	struct bytes message = { 0 };

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		(void)append_text(&message, parts[i]);
	return fail_with(CODE_OTHER, &message, NULL);
}
