/*
 * The mechanisms as functions of JavaScript. A failure of the kernel is the
 * negative errno as return value; a wrong argument throws a TypeError.
 */
#include "mechanisms.h"

#include <errno.h>
#include <node_api.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_ARGUMENTS 4

struct call {
	napi_env env;
	napi_value arguments[MAX_ARGUMENTS];
	int failed;
};

static void fail(struct call *call, const char *what)
{
	bool pending = false;

	call->failed = 1;
	if (napi_is_exception_pending(call->env, &pending) == napi_ok && !pending)
		napi_throw_type_error(call->env, NULL, what);
}

static struct call begin(napi_env env, napi_callback_info info, size_t wanted)
{
	struct call call = { .env = env };
	size_t count = MAX_ARGUMENTS;

	if (napi_get_cb_info(env, info, &count, call.arguments, NULL, NULL) != napi_ok || count < wanted)
		fail(&call, "too few arguments");
	return call;
}

static int int_argument(struct call *call, size_t index)
{
	int32_t value = 0;

	if (!call->failed && napi_get_value_int32(call->env, call->arguments[index], &value) != napi_ok)
		fail(call, "an argument is not a number");
	return value;
}

static const void *bytes_argument(struct call *call, size_t index, size_t *length)
{
	void *bytes = NULL;

	*length = 0;
	if (!call->failed &&
	    napi_get_buffer_info(call->env, call->arguments[index], &bytes, length) != napi_ok)
		fail(call, "an argument is not a Buffer");
	return bytes != NULL ? bytes : "";
}

/* The caller frees the copy. */
static char *string_copy(struct call *call, napi_value value)
{
	size_t length = 0;
	char *copy = NULL;

	if (call->failed)
		return NULL;
	if (napi_get_value_string_utf8(call->env, value, NULL, 0, &length) != napi_ok) {
		fail(call, "an argument is not a string");
		return NULL;
	}
	copy = malloc(length + 1);
	if (copy == NULL ||
	    napi_get_value_string_utf8(call->env, value, copy, length + 1, &length) != napi_ok) {
		free(copy);
		fail(call, "a string could not be read");
		return NULL;
	}
	return copy;
}

static void free_strings(char **strings)
{
	for (size_t i = 0; strings != NULL && strings[i] != NULL; i++)
		free(strings[i]);
	free(strings);
}

/* The caller frees the list with free_strings(). */
static char **strings_argument(struct call *call, size_t index)
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
		strings[i] = call->failed ? NULL : string_copy(call, element);
		if (strings[i] == NULL) {
			free_strings(strings);
			return NULL;
		}
	}
	return strings;
}

static napi_value number(struct call *call, int64_t value)
{
	napi_value result = NULL;

	if (!call->failed && napi_create_int64(call->env, value, &result) != napi_ok)
		fail(call, "a number could not be made");
	return call->failed ? NULL : result;
}

/* openRouteSocket(netnsFd) -> fd */
static napi_value open_route_socket(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	int netns_fd = int_argument(&call, 0);

	return call.failed ? NULL : number(&call, route_socket_open(netns_fd));
}

/* sendRoute(fd, bytes) -> 0 */
static napi_value send_route(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	int fd = int_argument(&call, 0);
	size_t length;
	const void *bytes = bytes_argument(&call, 1, &length);

	return call.failed ? NULL : number(&call, route_socket_send(fd, bytes, length));
}

/* receiveRoute(fd, timeoutMs) -> Buffer, or negative errno */
static napi_value receive_route(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	int fd = int_argument(&call, 0);
	int timeout_ms = int_argument(&call, 1);
	napi_value buffer = NULL;
	void *bytes = NULL;

	if (call.failed)
		return NULL;
	ssize_t size = route_socket_next_size(fd, timeout_ms);
	if (size < 0)
		return number(&call, size);
	if (napi_create_buffer(env, (size_t)size, &bytes, &buffer) != napi_ok) {
		fail(&call, "a Buffer could not be made");
		return NULL;
	}
	ssize_t received = route_socket_receive(fd, bytes, (size_t)size);
	if (received < 0)
		return number(&call, received);
	if (received == 0 && napi_create_buffer(env, 0, &bytes, &buffer) != napi_ok) {
		fail(&call, "a Buffer could not be made");
		return NULL;
	}
	return buffer;
}

/* sendFrame(netnsFd, interfaceIndex, bytes) -> 0 */
static napi_value send_frame(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int netns_fd = int_argument(&call, 0);
	int interface_index = int_argument(&call, 1);
	size_t length;
	const void *bytes = bytes_argument(&call, 2, &length);

	return call.failed ? NULL : number(&call, frame_send(netns_fd, interface_index, bytes, length));
}

/* writeFileInNetns(netnsFd, path, bytes) -> 0 */
static napi_value write_file_in_netns(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int netns_fd = int_argument(&call, 0);
	char *path = call.failed ? NULL : string_copy(&call, call.arguments[1]);
	size_t length;
	const void *bytes = bytes_argument(&call, 2, &length);
	napi_value result = NULL;

	if (!call.failed)
		result = number(&call, netns_write_file(netns_fd, path, bytes, length));
	free(path);
	return result;
}

/* namespaceType(fd) -> CLONE_NEW* */
static napi_value get_namespace_type(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	int fd = int_argument(&call, 0);

	return call.failed ? NULL : number(&call, namespace_type(fd));
}

/* tryLock(fd) -> 1 or 0 */
static napi_value try_lock(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	int fd = int_argument(&call, 0);

	return call.failed ? NULL : number(&call, lock_try(fd));
}

/* startChild(path, argv, environment, stdin) -> [pid, stdoutFd], or negative errno */
static napi_value start_child(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 4);
	char *path = call.failed ? NULL : string_copy(&call, call.arguments[0]);
	char **argv = strings_argument(&call, 1);
	char **environment = strings_argument(&call, 2);
	size_t length;
	const void *input = bytes_argument(&call, 3, &length);
	napi_value result = NULL;
	struct child child;

	if (call.failed)
		goto out;
	int error = child_start(path, argv, environment, input, length, &child);
	if (error < 0) {
		result = number(&call, error);
		goto out;
	}
	napi_value pid = number(&call, child.pid);
	napi_value stdout_fd = number(&call, child.stdout_fd);
	if (call.failed || napi_create_array_with_length(env, 2, &result) != napi_ok ||
	    napi_set_element(env, result, 0, pid) != napi_ok ||
	    napi_set_element(env, result, 1, stdout_fd) != napi_ok) {
		fail(&call, "an array could not be made");
		result = NULL;
	}
out:
	free(path);
	free_strings(argv);
	free_strings(environment);
	return result;
}

/* waitChild(pid, timeoutMs) -> wait status */
static napi_value wait_child(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	int pid = int_argument(&call, 0);
	int timeout_ms = int_argument(&call, 1);

	return call.failed ? NULL : number(&call, child_wait(pid, timeout_ms));
}

/* exitNow(code): _exit(2), without the several milliseconds Node.js takes to tear itself down. */
static napi_value exit_now(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	int code = int_argument(&call, 0);

	if (!call.failed)
		_exit(code);
	return NULL;
}

static napi_value init(napi_env env, napi_value exports)
{
	static const struct {
		const char *name;
		napi_callback function;
	} functions[] = {
		{ "openRouteSocket", open_route_socket },
		{ "sendRoute", send_route },
		{ "receiveRoute", receive_route },
		{ "sendFrame", send_frame },
		{ "writeFileInNetns", write_file_in_netns },
		{ "namespaceType", get_namespace_type },
		{ "tryLock", try_lock },
		{ "startChild", start_child },
		{ "waitChild", wait_child },
		{ "exitNow", exit_now },
	};

	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		napi_value function;
		if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH,
					 functions[i].function, NULL, &function) != napi_ok ||
		    napi_set_named_property(env, exports, functions[i].name, function) != napi_ok) {
			napi_throw_error(env, NULL, "the netlink addon could not be initialised");
			return NULL;
		}
	}
	return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
