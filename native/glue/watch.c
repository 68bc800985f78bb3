/*
 * Tells JavaScript when a descriptor is ready. It uses the event loop of
 * Node.js, so that no thread blocks.
 */
#include "../napi/arguments.h"
#include "functions.h"

#include <stdlib.h>
#include <uv.h>

struct watcher {
	uv_poll_t poll;
	napi_env env;
	napi_ref callback;
	napi_async_context context;
};

/* Destroys the context only now: a callback may end its own watcher while it runs in it. */
static void on_closed(uv_handle_t *handle)
{
	struct watcher *watcher = handle->data;

	(void)napi_async_destroy(watcher->env, watcher->context);
	free(watcher);
}

/* An exception from a callback ends the process like any uncaught exception. */
static void rethrow(napi_env env)
{
	napi_value error;

	if (napi_get_and_clear_last_exception(env, &error) == napi_ok)
		(void)napi_fatal_exception(env, error);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct watcher *watcher = poll->data;
	napi_env env = watcher->env;
	napi_handle_scope scope;
	napi_value callback, global;

	/* A poll error ends the watch, and the next system call on the descriptor reports it. */
	(void)status;
	(void)events;
	if (napi_open_handle_scope(env, &scope) != napi_ok)
		return;
	if (napi_get_reference_value(env, watcher->callback, &callback) == napi_ok &&
	    napi_get_global(env, &global) == napi_ok &&
	    napi_make_callback(env, watcher->context, global, callback, 0, NULL, NULL) == napi_pending_exception)
		rethrow(env);
	(void)napi_close_handle_scope(env, scope);
}

/* Stops the callbacks at once. on_closed() frees the watcher after libuv has released it. */
static void end(struct watcher *watcher)
{
	uv_poll_stop(&watcher->poll);
	(void)napi_delete_reference(watcher->env, watcher->callback);
	uv_close((uv_handle_t *)&watcher->poll, on_closed);
}

/*
 * watch(fd, events, callback) -> watcher, or negative errno. Events are
 * UV_READABLE (1) or UV_WRITABLE (2).
 */
static napi_value watch(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int fd = int_argument(&call, 0);
	int events = int_argument(&call, 1);
	napi_value name, result = NULL;
	uv_loop_t *loop;

	if (call.failed)
		return NULL;
	struct watcher *watcher = calloc(1, sizeof(*watcher));
	if (watcher == NULL) {
		fail(&call, "out of memory");
		return NULL;
	}
	watcher->env = env;
	if (napi_get_uv_event_loop(env, &loop) != napi_ok ||
	    napi_create_string_utf8(env, "sriov.watch", NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    napi_async_init(env, NULL, name, &watcher->context) != napi_ok ||
	    napi_create_reference(env, call.arguments[2], 1, &watcher->callback) != napi_ok ||
	    napi_create_external(env, watcher, NULL, NULL, &result) != napi_ok) {
		fail(&call, "a watcher could not be made");
		goto failed;
	}
	int error = uv_poll_init(loop, &watcher->poll, fd);
	if (error < 0) {
		result = number(&call, error);
		goto failed;
	}
	watcher->poll.data = watcher;
	error = uv_poll_start(&watcher->poll, events, on_ready);
	if (error < 0) {
		result = number(&call, error);
		end(watcher);
	}
	return result;
failed:
	if (watcher->callback != NULL)
		(void)napi_delete_reference(env, watcher->callback);
	if (watcher->context != NULL)
		(void)napi_async_destroy(env, watcher->context);
	free(watcher);
	return call.failed ? NULL : result;
}

/* unwatch(watcher): call it once only. Afterwards the descriptor may be closed. */
static napi_value unwatch(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	void *data = NULL;

	if (!call.failed && napi_get_value_external(env, call.arguments[0], &data) != napi_ok)
		fail(&call, "an argument is not a watcher");
	if (call.failed)
		return NULL;
	end(data);
	return NULL;
}

bool export_watch_functions(napi_env env, napi_value exports)
{
	static const struct function functions[] = { { "watch", watch }, { "unwatch", unwatch } };

	return export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0]));
}
