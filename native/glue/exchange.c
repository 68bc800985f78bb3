/*
 * Exchanges a netlink request and its answer on a thread. The kernel executes a
 * request inside sendmsg(2), and moving an interface takes 16 ms or more. On
 * the main thread this would delay every other call of the resident process.
 */
#include "../mechanisms.h"
#include "../napi/arguments.h"
#include "functions.h"
#include "work.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Return to JavaScript after this much; the next exchange continues a longer dump. */
static const size_t ENOUGH_BYTES = 1024 * 1024;

/*
 * Datagrams of other processes that are skipped while the kernel's answer is read:
 * more than a full receive buffer has, of the smallest.
 */
static const size_t MAX_FOREIGN = 16384;

struct exchange {
	struct work work;
	int fd;
	/* The namespace in which the request is sent, whatever that of the socket is; or NETNS_NONE. */
	int netns_fd;
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

static ssize_t receive_one(struct exchange *exchange, int timeout_ms)
{
	ssize_t size = netlink_socket_next_size(exchange->fd, timeout_ms);
	/* Netlink messages begin at multiples of 4 (netlink(7)): pad between datagrams. */
	size_t begin = (exchange->answer_length + 3) & ~(size_t)3;

	if (size < 0)
		return size;
	char *answer = realloc(exchange->answer, begin + (size_t)size + 1);
	if (answer == NULL)
		return -ENOMEM;
	exchange->answer = answer;
	memset(answer + exchange->answer_length, 0, begin - exchange->answer_length);
	ssize_t received = netlink_socket_receive(exchange->fd, answer + begin, (size_t)size);
	if (received > 0)
		exchange->answer_length = begin + (size_t)received;
	return received < 0 ? received : 0;
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/*
 * Waits for one datagram of the kernel, then takes all others that wait: one
 * thread trip for the whole answer. Datagrams of other processes are skipped,
 * but not without limit: a pod with CAP_NET_ADMIN can send any number of them.
 */
static ssize_t receive_all(struct exchange *exchange)
{
	int64_t deadline_ms = now_ms() + exchange->timeout_ms;
	size_t foreign = 0;
	ssize_t error;

	do {
		int64_t left_ms = exchange->answer_length > 0 ? 0 : deadline_ms - now_ms();
		size_t before = exchange->answer_length;

		error = receive_one(exchange, left_ms > 0 ? (int)left_ms : 0);
		if (error == 0 && exchange->answer_length == before)
			foreign++;
	} while (error == 0 && exchange->answer_length < ENOUGH_BYTES && foreign < MAX_FOREIGN);
	/* As the kernel says when the buffer has no room for its answer: another try may succeed. */
	if (error == 0 && exchange->answer_length == 0)
		error = -ENOBUFS;
	return error == -ETIMEDOUT && exchange->answer_length > 0 ? 0 : error;
}

static ssize_t send_request(struct exchange *exchange, const void *bytes, size_t length)
{
	int error = 0;
	int back_fd = netns_enter(exchange->netns_fd, &error);

	if (error < 0)
		return error;
	/* Whoever floods the socket must leave room for the answer. */
	netlink_socket_drain(exchange->fd, MAX_FOREIGN);
	error = netlink_socket_send(exchange->fd, bytes, length);
	netns_leave(back_fd);
	return error;
}

static ssize_t converse(struct exchange *exchange, const void *bytes, size_t length)
{
	ssize_t error = length > 0 ? send_request(exchange, bytes, length) : 0;

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

/* Starts an exchange on a thread. The arguments of the call have been read. */
static napi_value start_exchange(struct call *call, struct exchange how, const void *bytes, size_t length)
{
	if (call->failed)
		return NULL;
	struct exchange *exchange = calloc(1, sizeof(*exchange));
	if (exchange == NULL || (length > 0 && (exchange->request = malloc(length)) == NULL)) {
		free(exchange);
		fail(call, "out of memory");
		return NULL;
	}
	if (length > 0)
		memcpy(exchange->request, bytes, length);
	exchange->work = (struct work){ .execute = execute, .make_result = make_result, .destroy = destroy };
	exchange->fd = how.fd;
	exchange->netns_fd = how.netns_fd;
	exchange->timeout_ms = how.timeout_ms;
	exchange->request_length = length;
	return start_work(call, &exchange->work);
}

/*
 * exchangeRoute(fd, bytes, timeoutMs) -> promise of the received answers or negative errno.
 * With an empty Buffer it sends nothing and only receives.
 */
static napi_value exchange_route(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	size_t length;
	const void *bytes = bytes_argument(&call, 1, &length);
	struct exchange how = {
		.fd = int_argument(&call, 0), .netns_fd = NETNS_NONE, .timeout_ms = int_argument(&call, 2)
	};

	return start_exchange(&call, how, bytes, length);
}

/* exchangeWithin(netnsFd, fd, bytes, timeoutMs): the same, sent by a thread that is in the namespace. */
static napi_value exchange_within(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 4);
	size_t length;
	const void *bytes = bytes_argument(&call, 2, &length);
	struct exchange how = {
		.netns_fd = int_argument(&call, 0), .fd = int_argument(&call, 1), .timeout_ms = int_argument(&call, 3)
	};

	return start_exchange(&call, how, bytes, length);
}

/*
 * exchangeRouteNow(fd, bytes, timeoutMs) -> the received answers, or negative errno.
 * Does what exchangeRoute does, but on the calling thread.
 */
static napi_value exchange_route_now(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int fd = int_argument(&call, 0);
	size_t length;
	const void *bytes = bytes_argument(&call, 1, &length);
	struct exchange exchange = { .fd = fd, .netns_fd = NETNS_NONE, .timeout_ms = int_argument(&call, 2) };
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

/* receiveEvent(fd, buffer) -> the length of a waiting datagram, 0 when it is not the kernel's, or negative errno */
static napi_value receive_event(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	int fd = int_argument(&call, 0);
	size_t length;
	void *bytes = (void *)bytes_argument(&call, 1, &length);

	return call.failed ? NULL : number(&call, netlink_socket_receive(fd, bytes, length));
}

bool export_exchange_functions(napi_env env, napi_value exports)
{
	static const struct function functions[] = {
		{ "exchangeRoute", exchange_route },
		{ "exchangeWithin", exchange_within },
		{ "exchangeRouteNow", exchange_route_now },
		{ "receiveEvent", receive_event },
	};

	return export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0]));
}
