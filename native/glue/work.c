#include "work.h"

#include <errno.h>

static void execute(napi_env env, void *data)
{
	struct work *work = data;

	(void)env;
	work->execute(work);
}

static void complete(napi_env env, napi_status status, void *data)
{
	struct work *work = data;
	napi_value value = NULL;
	napi_status made;

	if (status != napi_ok)
		work->error = -ECANCELED;
	made = work->error < 0 ? napi_create_int64(env, work->error, &value) : work->make_result(env, work, &value);
	/* Resolve in any case: otherwise the call that awaits the promise hangs. */
	if (made != napi_ok)
		made = napi_create_int64(env, -ENOMEM, &value);
	if (made != napi_ok || napi_resolve_deferred(env, work->deferred, value) != napi_ok)
		napi_fatal_error("complete", NAPI_AUTO_LENGTH, "a thread's result could not be handed over",
				 NAPI_AUTO_LENGTH);
	(void)napi_delete_async_work(env, work->async);
	work->destroy(work);
}

napi_value start_work(struct call *call, struct work *work)
{
	napi_env env = call->env;
	napi_value name, promise = NULL;

	if (napi_create_promise(env, &work->deferred, &promise) != napi_ok ||
	    napi_create_string_utf8(env, "sriov", NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    napi_create_async_work(env, NULL, name, execute, complete, work, &work->async) != napi_ok) {
		work->destroy(work);
		fail(call, "a thread's work could not be made");
		return NULL;
	}
	if (napi_queue_async_work(env, work->async) != napi_ok) {
		(void)napi_delete_async_work(env, work->async);
		work->destroy(work);
		fail(call, "a thread's work could not be queued");
		return NULL;
	}
	return promise;
}
