/*
 * Reading the arguments of a JavaScript call. The first wrong one throws a
 * TypeError and marks the call as failed; reading on is harmless.
 */
#ifndef SRIOV_NAPI_ARGUMENTS_H
#define SRIOV_NAPI_ARGUMENTS_H

#include <node_api.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_ARGUMENTS 6

struct call {
	napi_env env;
	napi_value arguments[MAX_ARGUMENTS];
	int failed;
};

/* Takes up a call that needs so many arguments. */
struct call begin(napi_env env, napi_callback_info info, size_t wanted);

/* Throws a TypeError, unless something was thrown before. */
void fail(struct call *call, const char *what);

int int_argument(struct call *call, size_t index);

/* The bytes of a Buffer, valid for the time of the call; never NULL. */
const void *bytes_argument(struct call *call, size_t index, size_t *length);

/* A copy that the caller frees; NULL when the call has failed. */
char *string_argument(struct call *call, size_t index);

/* A list closed by NULL that the caller frees with free_strings(); NULL when the call has failed. */
char **strings_argument(struct call *call, size_t index);
void free_strings(char **strings);

/* A number to return; NULL when the call has failed. */
napi_value number(struct call *call, int64_t value);

#endif
