/*
 * Syncs files and folders to the disk, on a thread: a slow disk must not keep
 * other calls of the resident process waiting.
 */
#include "../mechanisms.h"
#include "../napi/arguments.h"
#include "functions.h"
#include "work.h"

#include <stdint.h>
#include <stdlib.h>

struct sync {
	struct work work;
	/* NULL-terminated. */
	char **paths;
	/* 0 or -errno for each path. */
	int32_t *results;
	size_t count;
};

static void release(struct sync *sync)
{
	free_strings(sync->paths);
	free(sync->results);
}

static void destroy(struct work *work)
{
	release((struct sync *)work);
	free(work);
}

static void sync_all(struct sync *sync)
{
	for (size_t i = 0; i < sync->count; i++)
		sync->results[i] = path_sync(sync->paths[i]);
}

static void execute(struct work *work)
{
	sync_all((struct sync *)work);
}

static napi_status copy_results(napi_env env, const struct sync *sync, napi_value *result)
{
	return napi_create_buffer_copy(env, sync->count * sizeof(*sync->results), sync->results, NULL, result);
}

static napi_status make_result(napi_env env, struct work *work, napi_value *result)
{
	return copy_results(env, (struct sync *)work, result);
}

static struct sync sync_argument(struct call *call)
{
	struct sync sync = { .paths = strings_argument(call, 0) };

	while (sync.paths != NULL && sync.paths[sync.count] != NULL)
		sync.count++;
	sync.results = calloc(sync.count + 1, sizeof(*sync.results));
	if (sync.results == NULL)
		fail(call, "out of memory");
	return sync;
}

/* syncPaths(paths) -> promise of a Buffer with an int32 for each path: 0 or negative errno */
static napi_value sync_paths(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	struct sync wanted = sync_argument(&call);
	struct sync *sync = call.failed ? NULL : malloc(sizeof(*sync));

	if (sync == NULL) {
		release(&wanted);
		fail(&call, "out of memory");
		return NULL;
	}
	*sync = wanted;
	sync->work = (struct work){ .execute = execute, .make_result = make_result, .destroy = destroy };
	return start_work(&call, &sync->work);
}

/* syncPathsNow(paths) -> the same Buffer, from the calling thread */
static napi_value sync_paths_now(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	struct sync sync = sync_argument(&call);
	napi_value result = NULL;

	if (!call.failed) {
		sync_all(&sync);
		if (copy_results(env, &sync, &result) != napi_ok)
			fail(&call, "a Buffer could not be made");
	}
	release(&sync);
	return call.failed ? NULL : result;
}

bool export_sync_functions(napi_env env, napi_value exports)
{
	static const struct function functions[] = {
		{ "syncPaths", sync_paths },
		{ "syncPathsNow", sync_paths_now },
	};

	return export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0]));
}
