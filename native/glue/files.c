/*
 * Exports file access to JavaScript. A call looks at dozens of files, and half
 * of them do not exist. Node.js would throw an exception for each of those.
 * Paths and names are octets: strings whose characters are bytes.
 */
#include "../mechanisms.h"
#include "../napi/arguments.h"
#include "functions.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef napi_status (*create_string)(napi_env, const char *, size_t, napi_value *);

static napi_value text_or_error(struct call *call, const char *text, ssize_t length, create_string create)
{
	napi_value value = NULL;

	if (length < 0)
		return number(call, length);
	if (create(call->env, text, (size_t)length, &value) != napi_ok)
		fail(call, "a string could not be made");
	return value;
}

/* readText(path) -> string, or negative errno */
static napi_value read_text(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	char *path = octets_argument(&call, 0);
	char *text = NULL;
	napi_value result = NULL;

	if (!call.failed) {
		ssize_t length = file_read(path, &text);
		result = text_or_error(&call, text, length, napi_create_string_utf8);
	}
	free(text);
	free(path);
	return result;
}

/* readLink(path) -> octets, or negative errno */
static napi_value read_link(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	char *path = octets_argument(&call, 0);
	char target[PATH_MAX];
	napi_value result = NULL;

	if (!call.failed) {
		ssize_t length = link_read(path, target, sizeof(target));
		result = text_or_error(&call, target, length, napi_create_string_latin1);
	}
	free(path);
	return result;
}

/* isThere(path) -> 0, or negative errno */
static napi_value is_there(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	char *path = octets_argument(&call, 0);
	napi_value result = call.failed ? NULL : number(&call, path_is_there(path));

	free(path);
	return result;
}

/* names: one after another, each with its NUL. */
static napi_value names_array(struct call *call, const char *names, size_t length)
{
	napi_value array = NULL, name;
	uint32_t count = 0;

	if (napi_create_array(call->env, &array) != napi_ok)
		fail(call, "an array could not be made");
	for (size_t at = 0; !call->failed && at < length; at += strlen(names + at) + 1) {
		if (napi_create_string_latin1(call->env, names + at, NAPI_AUTO_LENGTH, &name) != napi_ok ||
		    napi_set_element(call->env, array, count++, name) != napi_ok)
			fail(call, "an array could not be filled");
	}
	return array;
}

/* readFolder(path) -> names, or negative errno */
static napi_value read_folder(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	char *path = octets_argument(&call, 0);
	char *names = NULL;
	napi_value result = NULL;

	if (!call.failed) {
		ssize_t length = folder_read(path, &names);
		result = length < 0 ? number(&call, length) : names_array(&call, names, (size_t)length);
	}
	free(names);
	free(path);
	return call.failed ? NULL : result;
}

/* writeNew(path, bytes) -> 0, or negative errno */
static napi_value write_new(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	char *path = string_argument(&call, 0);
	size_t length;
	const void *bytes = bytes_argument(&call, 1, &length);
	napi_value result = call.failed ? NULL : number(&call, file_write(path, bytes, length));

	free(path);
	return result;
}

bool export_file_functions(napi_env env, napi_value exports)
{
	static const struct function functions[] = {
		{ "readText", read_text },
		{ "readLink", read_link },
		{ "readFolder", read_folder },
		{ "isThere", is_there },
		{ "writeNew", write_new },
	};

	return export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0]));
}
