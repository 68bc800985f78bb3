#include "arguments.h"

#include <stdlib.h>
#include <string.h>

void fail(struct call *call, const char *what)
{
	bool pending = false;

	call->failed = 1;
	if (napi_is_exception_pending(call->env, &pending) == napi_ok && !pending)
		napi_throw_type_error(call->env, NULL, what);
}

struct call begin(napi_env env, napi_callback_info info, size_t wanted)
{
	struct call call = { .env = env };
	size_t count = MAX_ARGUMENTS;

	if (napi_get_cb_info(env, info, &count, call.arguments, NULL, NULL) != napi_ok || count < wanted)
		fail(&call, "too few arguments");
	return call;
}

int int_argument(struct call *call, size_t index)
{
	int32_t value = 0;

	if (!call->failed && napi_get_value_int32(call->env, call->arguments[index], &value) != napi_ok)
		fail(call, "an argument is not a number");
	return value;
}

const void *bytes_argument(struct call *call, size_t index, size_t *length)
{
	void *bytes = NULL;

	*length = 0;
	if (!call->failed &&
	    napi_get_buffer_info(call->env, call->arguments[index], &bytes, length) != napi_ok)
		fail(call, "an argument is not a Buffer");
	return bytes != NULL ? bytes : "";
}

typedef napi_status (*read_string)(napi_env, napi_value, char *, size_t, size_t *);

static char *string_copy(struct call *call, napi_value value, read_string read)
{
	size_t length = 0;
	char *copy = NULL;

	if (call->failed)
		return NULL;
	if (read(call->env, value, NULL, 0, &length) != napi_ok) {
		fail(call, "an argument is not a string");
		return NULL;
	}
	copy = malloc(length + 1);
	if (copy == NULL ||
	    read(call->env, value, copy, length + 1, &length) != napi_ok) {
		free(copy);
		fail(call, "a string could not be read");
		return NULL;
	}
	/* The kernel would stop at the NUL and use only a part of the string. */
	if (strlen(copy) != length) {
		free(copy);
		fail(call, "a string has a NUL in it");
		return NULL;
	}
	return copy;
}

char *string_argument(struct call *call, size_t index)
{
	return call->failed ? NULL : string_copy(call, call->arguments[index], napi_get_value_string_utf8);
}

char *octets_argument(struct call *call, size_t index)
{
	return call->failed ? NULL : string_copy(call, call->arguments[index], napi_get_value_string_latin1);
}

void free_strings(char **strings)
{
	for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
		free(strings[i]);
	free(strings);
}

char **strings_argument(struct call *call, size_t index)
{
	uint32_t count = 0;

	if (call->failed)
		return NULL;
	if (napi_get_array_length(call->env, call->arguments[index], &count) != napi_ok) {
		fail(call, "an argument is not an array of strings");
		return NULL;
	}
	char **strings = calloc((size_t)count + 1, sizeof(char *));
	if (strings == NULL) {
		fail(call, "out of memory");
		return NULL;
	}
	for (uint32_t i = 0; i < count; i++) {
		napi_value element;
		if (napi_get_element(call->env, call->arguments[index], i, &element) != napi_ok)
			fail(call, "an array could not be read");
		strings[i] = call->failed ? NULL : string_copy(call, element, napi_get_value_string_utf8);
		if (strings[i] == NULL) {
			free_strings(strings);
			return NULL;
		}
	}
	return strings;
}

napi_value number(struct call *call, int64_t value)
{
	napi_value result = NULL;

	if (!call->failed && napi_create_int64(call->env, value, &result) != napi_ok)
		fail(call, "a number could not be made");
	return call->failed ? NULL : result;
}
