/*
 * Reads the arguments of a JavaScript call. The first wrong argument throws a
 * TypeError and marks the call as failed; further reads are harmless.
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

/* Reads the arguments of a call, which fails with fewer than `wanted`. */
struct call begin(napi_env env, napi_callback_info info, size_t wanted);

/* Marks the call as failed. Throws a TypeError unless an exception is already pending. */
void fail(struct call *call, const char *what);

int int_argument(struct call *call, size_t index);

/* Returns the bytes of a Buffer, valid until the call returns; never NULL. */
const void *bytes_argument(struct call *call, size_t index, size_t *length);

/* Returns a copy that the caller frees, or NULL when the call has failed. */
char *string_argument(struct call *call, size_t index);

/* The same of a string whose characters are bytes: interface names, and paths with them, may be no UTF-8. */
char *octets_argument(struct call *call, size_t index);

/*
 * Returns a NULL-terminated list that the caller frees with free_strings(), or
 * NULL when the call has failed.
 */
char **strings_argument(struct call *call, size_t index);
void free_strings(char **strings);

/* Makes a JavaScript number; NULL when the call has failed. */
napi_value number(struct call *call, int64_t value);

#endif
