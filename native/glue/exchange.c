/*
 * A netlink request and its answer on a thread: the kernel carries a request
 * out inside sendmsg(2), and moving an interface takes it 16 ms and more, which
 * would keep every other call of the resident process waiting.
 */
#include "../mechanisms.h"
#include "../napi/arguments.h"
#include "functions.h"
#include "work.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A dump goes on in the next trip. */
static const size_t ENOUGH_BYTES = 1024 * 1024;

struct exchange {
	struct work work;
	int fd;
	int timeout_ms;
	void *request;
	size_t request_length;
	char *answer;
	size_t answer_length;
};

static void destroy(struct work *work)
{
	struct exchange *exchange = (struct exchange *)work;

	free(exchange->request);
	free(exchange->answer);
	free(exchange);
}

/* Appends one datagram to the answer. 0, or -errno. */
static ssize_t receive_one(struct exchange *exchange, int timeout_ms)
{
	ssize_t size = route_socket_next_size(exchange->fd, timeout_ms);
	/* Messages begin at multiples of four (netlink(7)), datagrams as well. */
	size_t begin = (exchange->answer_length + 3) & ~(size_t)3;

	if (size < 0)
		return size;
	char *answer = realloc(exchange->answer, begin + (size_t)size + 1);
	if (answer == NULL)
		return -ENOMEM;
	exchange->answer = answer;
	memset(answer + exchange->answer_length, 0, begin - exchange->answer_length);
	ssize_t received = route_socket_receive(exchange->fd, answer + begin, (size_t)size);
	if (received > 0)
		exchange->answer_length = begin + (size_t)received;
	return received < 0 ? received : 0;
}

/* Waits for one datagram, and takes along what else is there: one trip to the thread, not one for each. */
static ssize_t receive_all(struct exchange *exchange)
{
	ssize_t error = receive_one(exchange, exchange->timeout_ms);

	while (error == 0 && exchange->answer_length < ENOUGH_BYTES)
		error = receive_one(exchange, 0);
	return error == -ETIMEDOUT && exchange->answer_length > 0 ? 0 : error;
}

/* Sends what there is to send, and takes what comes. 0, or -errno. */
static ssize_t converse(struct exchange *exchange, const void *bytes, size_t length)
{
	ssize_t error = length > 0 ? route_socket_send(exchange->fd, bytes, length) : 0;

	return error < 0 ? error : receive_all(exchange);
}

static void execute(struct work *work)
{
	struct exchange *exchange = (struct exchange *)work;

	work->error = converse(exchange, exchange->request, exchange->request_length);
}

static napi_status make_result(napi_env env, struct work *work, napi_value *result)
{
	struct exchange *exchange = (struct exchange *)work;

	return napi_create_buffer_copy(env, exchange->answer_length, exchange->answer, NULL, result);
}

/* exchangeRoute(fd, bytes, timeoutMs) -> promise of the answers that came, or of a negative errno; no bytes: nothing is sent */
static napi_value exchange_route(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int fd = int_argument(&call, 0);
	size_t length;
	const void *bytes = bytes_argument(&call, 1, &length);
	int timeout_ms = int_argument(&call, 2);

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
	exchange->work = (struct work){ .execute = execute, .make_result = make_result, .destroy = destroy };
	exchange->fd = fd;
	exchange->timeout_ms = timeout_ms;
	exchange->request_length = length;
	return start_work(&call, &exchange->work);
}

/* exchangeRouteNow(fd, bytes, timeoutMs) -> the answers, or negative errno: the same without a thread */
static napi_value exchange_route_now(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int fd = int_argument(&call, 0);
	size_t length;
	const void *bytes = bytes_argument(&call, 1, &length);
	struct exchange exchange = { .fd = fd, .timeout_ms = int_argument(&call, 2) };
	napi_value result = NULL;

	if (call.failed)
		return NULL;
	ssize_t error = converse(&exchange, bytes, length);
	if (error < 0)
		result = number(&call, error);
	else if (napi_create_buffer_copy(env, exchange.answer_length, exchange.answer, NULL, &result) != napi_ok)
		fail(&call, "a Buffer could not be made");
	free(exchange.answer);
	return call.failed ? NULL : result;
}

bool export_exchange_functions(napi_env env, napi_value exports)
{
	static const struct function functions[] = {
		{ "exchangeRoute", exchange_route },
		{ "exchangeRouteNow", exchange_route_now },
	};

	return export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0]));
}
