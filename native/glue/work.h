/* Runs work on a thread of libuv's pool and gives JavaScript a promise of the result. */
#ifndef SRIOV_GLUE_WORK_H
#define SRIOV_GLUE_WORK_H

#include "../napi/arguments.h"

#include <node_api.h>
#include <sys/types.h>

/* The first member of a struct that holds the data of the work. */
struct work {
	/* Runs on the thread. It calls no JavaScript and does not change the namespace. */
	void (*execute)(struct work *work);
	/* Makes the value of the promise on success. */
	napi_status (*make_result)(napi_env env, struct work *work, napi_value *result);
	void (*destroy)(struct work *work);
	/* 0, or -errno, which then is the value of the promise. */
	ssize_t error;
	napi_deferred deferred;
	napi_async_work async;
};

/*
 * Queues the work and returns its promise, or NULL with an exception pending.
 * Takes ownership of the work in both cases and frees it with `destroy`.
 */
napi_value start_work(struct call *call, struct work *work);

#endif
