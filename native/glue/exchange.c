/*
 * A netlink request and its answer on a thread: the kernel carries a request
 * out inside sendmsg(2), and moving an interface takes it 16 ms and more, which
 * would keep every other call of the resident process waiting.
 */
#include "../mechanisms.h"
#include "../napi/arguments.h"
#include "functions.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct exchange {
	int fd;
	int timeout_ms;
	void *request;
	size_t request_length;
	/* The answer with its length, or -errno. */
	void *answer;
	ssize_t result;
	napi_deferred deferred;
	napi_async_work work;
};

static void free_exchange(struct exchange *exchange)
{
	free(exchange->request);
	free(exchange->answer);
	free(exchange);
}

/* On the thread: no JavaScript here, and the namespace stays as it is. */
static void execute(napi_env env, void *data)
{
	struct exchange *exchange = data;

	(void)env;
	if (exchange->request_length > 0) {
		exchange->result = route_socket_send(exchange->fd, exchange->request, exchange->request_length);
		if (exchange->result < 0)
			return;
	}
	ssize_t size = route_socket_next_size(exchange->fd, exchange->timeout_ms);
	if (size < 0) {
		exchange->result = size;
		return;
	}
	exchange->answer = malloc(size > 0 ? (size_t)size : 1);
	exchange->result = exchange->answer == NULL ?
		-ENOMEM : route_socket_receive(exchange->fd, exchange->answer, (size_t)size);
}

static void complete(napi_env env, napi_status status, void *data)
{
	struct exchange *exchange = data;
	napi_value value = NULL;
	napi_status made;

	if (status != napi_ok)
		exchange->result = -ECANCELED;
	made = exchange->result < 0 ?
		napi_create_int64(env, exchange->result, &value) :
		napi_create_buffer_copy(env, (size_t)exchange->result, exchange->answer, NULL, &value);
	/* Without a value the waiting call must not wait for ever. */
	if (made != napi_ok)
		made = napi_create_int64(env, -ENOMEM, &value);
	if (made != napi_ok || napi_resolve_deferred(env, exchange->deferred, value) != napi_ok)
		napi_fatal_error("exchangeRoute", NAPI_AUTO_LENGTH, "an answer could not be handed over",
				 NAPI_AUTO_LENGTH);
	(void)napi_delete_async_work(env, exchange->work);
	free_exchange(exchange);
}

/* exchangeRoute(fd, bytes, timeoutMs) -> promise of the first answer, or of a negative errno; no bytes: of the next one */
static napi_value exchange_route(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int fd = int_argument(&call, 0);
	size_t length;
	const void *bytes = bytes_argument(&call, 1, &length);
	int timeout_ms = int_argument(&call, 2);
	napi_value name, promise = NULL;

	if (call.failed)
		return NULL;
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (exchange == NULL || (length > 0 && (exchange->request = malloc(length)) == NULL)) {
		free(exchange);
		fail(&call, "out of memory");
		return NULL;
	}
	if (length > 0)
		memcpy(exchange->request, bytes, length);
	exchange->fd = fd;
	exchange->timeout_ms = timeout_ms;
	exchange->request_length = length;
	if (napi_create_promise(env, &exchange->deferred, &promise) != napi_ok ||
	    napi_create_string_utf8(env, "sriov.exchange", NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    napi_create_async_work(env, NULL, name, execute, complete, exchange, &exchange->work) != napi_ok) {
		free_exchange(exchange);
		fail(&call, "a thread's work could not be made");
		return NULL;
	}
	if (napi_queue_async_work(env, exchange->work) != napi_ok) {
		(void)napi_delete_async_work(env, exchange->work);
		free_exchange(exchange);
		fail(&call, "a thread's work could not be queued");
		return NULL;
	}
	return promise;
}

bool export_exchange_functions(napi_env env, napi_value exports)
{
	static const struct function functions[] = { { "exchangeRoute", exchange_route } };

	return export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0]));
}
