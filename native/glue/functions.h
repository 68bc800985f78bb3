/*
 * The functions of the addon, by topic. On failure each of these returns false,
 * with a JavaScript exception pending.
 */
#ifndef SRIOV_GLUE_FUNCTIONS_H
#define SRIOV_GLUE_FUNCTIONS_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>

struct function {
	const char *name;
	napi_callback callback;
};

bool export_functions(napi_env env, napi_value exports, const struct function *functions, size_t count);

/* listenAt, acceptPeer, receiveFrom, sendTo, isHungUp, notify: glue/socket.c */
bool export_socket_functions(napi_env env, napi_value exports);

/* watch, unwatch: glue/watch.c */
bool export_watch_functions(napi_env env, napi_value exports);

/* readText, readLink, readFolder, isThere, writeNew: glue/files.c */
bool export_file_functions(napi_env env, napi_value exports);

/* syncPaths, syncPathsNow: glue/sync.c */
bool export_sync_functions(napi_env env, napi_value exports);

/* exchangeRoute, exchangeRouteNow: glue/exchange.c */
bool export_exchange_functions(napi_env env, napi_value exports);

/* busInfo: glue/ethtool.c */
bool export_ethtool_functions(napi_env env, napi_value exports);

#endif
