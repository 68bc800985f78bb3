/* Exports the sockets of the resident process to JavaScript. */
#include "../mechanisms.h"
#include "../napi/arguments.h"
#include "functions.h"

#include <stdlib.h>

static napi_value numbers(struct call *call, const int64_t *values, uint32_t count)
{
	napi_value list = NULL;

	if (napi_create_array_with_length(call->env, count, &list) != napi_ok)
		fail(call, "an array could not be made");
	for (uint32_t i = 0; i < count && !call->failed; i++) {
		napi_value element = number(call, values[i]);
		if (!call->failed && napi_set_element(call->env, list, i, element) != napi_ok)
			fail(call, "an array could not be filled");
	}
	return call->failed ? NULL : list;
}

/* listenAt(path, backlog) -> fd */
static napi_value listen_at(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	char *path = string_argument(&call, 0);
	int backlog = int_argument(&call, 1);
	napi_value result = NULL;

	if (!call.failed)
		result = number(&call, unix_listen(path, backlog));
	free(path);
	return result;
}

/* notify(path, bytes) -> 0, or negative errno */
static napi_value notify(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	char *path = string_argument(&call, 0);
	size_t length;
	const void *bytes = bytes_argument(&call, 1, &length);
	napi_value result = NULL;

	if (!call.failed)
		result = number(&call, unix_notify(path, bytes, length));
	free(path);
	return result;
}

/* acceptPeer(fd) -> [fd, uid, pid], or negative errno */
static napi_value accept_peer(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	int listener_fd = int_argument(&call, 0);
	struct unix_peer peer;

	if (call.failed)
		return NULL;
	int fd = unix_accept(listener_fd, &peer);
	if (fd < 0)
		return number(&call, fd);
	return numbers(&call, (int64_t[]){ fd, peer.uid, peer.pid }, 3);
}

/* receiveFrom(fd, buffer, offset) -> [count, passedFd], or negative errno */
static napi_value receive_from(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int fd = int_argument(&call, 0);
	size_t length;
	char *bytes = (char *)bytes_argument(&call, 1, &length);
	int offset = int_argument(&call, 2);
	int passed_fd;

	if (!call.failed && (offset < 0 || (size_t)offset >= length))
		fail(&call, "an offset is outside its Buffer");
	if (call.failed)
		return NULL;
	ssize_t count = unix_receive(fd, bytes + offset, length - (size_t)offset, &passed_fd);
	if (count < 0)
		return number(&call, count);
	return numbers(&call, (int64_t[]){ count, passed_fd }, 2);
}

/* sendTo(fd, buffer, offset) -> count, or negative errno */
static napi_value send_to(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int fd = int_argument(&call, 0);
	size_t length;
	const char *bytes = bytes_argument(&call, 1, &length);
	int offset = int_argument(&call, 2);

	if (!call.failed && (offset < 0 || (size_t)offset > length))
		fail(&call, "an offset is outside its Buffer");
	return call.failed ? NULL : number(&call, unix_send(fd, bytes + offset, length - (size_t)offset));
}

/* isHungUp(fd) -> 1 or 0 */
static napi_value is_hung_up(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	int fd = int_argument(&call, 0);

	return call.failed ? NULL : number(&call, unix_is_hung_up(fd));
}

bool export_socket_functions(napi_env env, napi_value exports)
{
	static const struct function functions[] = {
		{ "listenAt", listen_at },	   { "acceptPeer", accept_peer }, { "receiveFrom", receive_from },
		{ "sendTo", send_to }, { "isHungUp", is_hung_up }, { "notify", notify },
	};

	return export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0]));
}
