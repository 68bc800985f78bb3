/*
 * What files and links say, as functions of JavaScript. The plugin looks at
 * dozens of them in a call, and half of those are not there: with Node.js each
 * absence is an exception.
 */
#include "../mechanisms.h"
#include "../napi/arguments.h"
#include "functions.h"

#include <limits.h>
#include <stdlib.h>

static napi_value text_or_error(struct call *call, const char *text, ssize_t length)
{
	napi_value value = NULL;

	if (length < 0)
		return number(call, length);
	if (napi_create_string_utf8(call->env, text, (size_t)length, &value) != napi_ok)
		fail(call, "a string could not be made");
	return value;
}

/* readText(path) -> string, or negative errno */
static napi_value read_text(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	char *path = string_argument(&call, 0);
	char *text = NULL;
	napi_value result = NULL;

	if (!call.failed) {
		ssize_t length = file_read(path, &text);
		result = text_or_error(&call, text, length);
	}
	free(text);
	free(path);
	return result;
}

/* readLink(path) -> string, or negative errno */
static napi_value read_link(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	char *path = string_argument(&call, 0);
	char target[PATH_MAX];
	napi_value result = NULL;

	if (!call.failed) {
		ssize_t length = link_read(path, target, sizeof(target));
		result = text_or_error(&call, target, length);
	}
	free(path);
	return result;
}

/* isThere(path) -> 0, or negative errno */
static napi_value is_there(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	char *path = string_argument(&call, 0);
	napi_value result = call.failed ? NULL : number(&call, path_is_there(path));

	free(path);
	return result;
}

bool export_look_functions(napi_env env, napi_value exports)
{
	static const struct function functions[] = {
		{ "readText", read_text },
		{ "readLink", read_link },
		{ "isThere", is_there },
	};

	return export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0]));
}
