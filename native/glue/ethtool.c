/* Queries the driver of an interface. Uses a thread, because the kernel first waits for RTNL. */
#include "../mechanisms.h"
#include "../napi/arguments.h"
#include "functions.h"
#include "work.h"

#include <stdlib.h>

struct question {
	struct work work;
	int socket_fd;
	char *interface;
	char bus_info[DRIVER_BUS_INFO_BYTES];
};

static void destroy(struct work *work)
{
	struct question *question = (struct question *)work;

	free(question->interface);
	free(question);
}

static void execute(struct work *work)
{
	struct question *question = (struct question *)work;

	work->error = driver_bus_info(question->socket_fd, question->interface, question->bus_info);
}

static napi_status make_result(napi_env env, struct work *work, napi_value *result)
{
	return napi_create_string_utf8(env, ((struct question *)work)->bus_info, NAPI_AUTO_LENGTH, result);
}

/* busInfo(socketFd, interface) -> promise of text or negative errno */
static napi_value bus_info(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	int socket_fd = int_argument(&call, 0);
	char *interface = octets_argument(&call, 1);
	struct question *question = call.failed ? NULL : calloc(1, sizeof(*question));

	if (question == NULL) {
		free(interface);
		fail(&call, "out of memory");
		return NULL;
	}
	question->work = (struct work){ .execute = execute, .make_result = make_result, .destroy = destroy };
	question->socket_fd = socket_fd;
	question->interface = interface;
	return start_work(&call, &question->work);
}

bool export_ethtool_functions(napi_env env, napi_value exports)
{
	static const struct function functions[] = { { "busInfo", bus_info } };

	return export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0]));
}
