/* Work on a thread of libuv's pool, and the promise of what comes of it. */
#ifndef SRIOV_GLUE_WORK_H
#define SRIOV_GLUE_WORK_H

#include "../napi/arguments.h"

#include <node_api.h>
#include <sys/types.h>

/* Stands first in a struct that holds what the work is about. */
struct work {
	/* On the thread: no JavaScript here, and the namespace stays as it is. */
	void (*execute)(struct work *work);
	/* What the promise resolves to when all went well. */
	napi_status (*make_result)(napi_env env, struct work *work, napi_value *result);
	void (*destroy)(struct work *work);
	/* 0, or -errno, which the promise resolves to then. */
	ssize_t error;
	napi_deferred deferred;
	napi_async_work async;
};

/* Queues the work, which belongs to the thread from then on, and returns its promise; NULL with an exception pending. */
napi_value start_work(struct call *call, struct work *work);

#endif
