/*
 * Exports the mechanisms to JavaScript. When the kernel fails, a function
 * returns the negative errno. A wrong argument throws a TypeError.
 */
#include "glue/functions.h"
#include "mechanisms.h"
#include "napi/arguments.h"

#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* openNetlinkSocket(netnsFd, protocol, groups) -> fd */
static napi_value open_netlink_socket(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int netns_fd = int_argument(&call, 0);
	int protocol = int_argument(&call, 1);
	int groups = int_argument(&call, 2);

	return call.failed ? NULL : number(&call, netlink_socket_open(netns_fd, protocol, groups));
}

/* sendFrame(netnsFd, interfaceIndex, bytes) -> fd, which the caller closes */
static napi_value send_frame(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int netns_fd = int_argument(&call, 0);
	int interface_index = int_argument(&call, 1);
	size_t length;
	const void *bytes = bytes_argument(&call, 2, &length);

	return call.failed ? NULL : number(&call, frame_send(netns_fd, interface_index, bytes, length));
}

/* writeFileInNetns(netnsFd, path, bytes) -> 0 */
static napi_value write_file_in_netns(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 3);
	int netns_fd = int_argument(&call, 0);
	char *path = string_argument(&call, 1);
	size_t length;
	const void *bytes = bytes_argument(&call, 2, &length);
	napi_value result = NULL;

	if (!call.failed)
		result = number(&call, netns_write_file(netns_fd, path, bytes, length));
	free(path);
	return result;
}

/*
 * openNetns(path) -> [fd, device, inode], or negative errno. Device and inode
 * are decimal text. ENOTTY: the file is not a network namespace.
 */
static napi_value open_netns(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	char *path = string_argument(&call, 0);
	struct netns_id id;
	napi_value result = NULL, device, inode;
	char text[2][24];

	if (call.failed)
		goto out;
	int fd = netns_open(path, &id);
	result = number(&call, fd);
	if (fd < 0 || call.failed)
		goto out;
	snprintf(text[0], sizeof(text[0]), "%llu", (unsigned long long)id.device);
	snprintf(text[1], sizeof(text[1]), "%llu", (unsigned long long)id.inode);
	napi_value fd_value = result;
	if (napi_create_string_latin1(env, text[0], NAPI_AUTO_LENGTH, &device) != napi_ok ||
	    napi_create_string_latin1(env, text[1], NAPI_AUTO_LENGTH, &inode) != napi_ok ||
	    napi_create_array_with_length(env, 3, &result) != napi_ok ||
	    napi_set_element(env, result, 0, fd_value) != napi_ok ||
	    napi_set_element(env, result, 1, device) != napi_ok ||
	    napi_set_element(env, result, 2, inode) != napi_ok) {
		close(fd);
		fail(&call, "an array could not be made");
	}
out:
	free(path);
	return call.failed ? NULL : result;
}

/* tryLock(fd, path) -> 1 or 0, or negative errno */
static napi_value try_lock(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	int fd = int_argument(&call, 0);
	char *path = string_argument(&call, 1);
	napi_value result = call.failed ? NULL : number(&call, lock_try(fd, path));

	free(path);
	return result;
}

/* releaseLock(fd) -> 0 */
static napi_value release_lock(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	int fd = int_argument(&call, 0);

	return call.failed ? NULL : number(&call, lock_release(fd));
}

/*
 * startChild(path, argv, environment, stdin, keptFd, flags)
 *   -> [pid, stdoutFd, stderrFd, stdinFd], or negative errno
 */
static napi_value start_child(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 6);
	char *path = string_argument(&call, 0);
	char **argv = strings_argument(&call, 1);
	char **environment = strings_argument(&call, 2);
	size_t length;
	const void *input = bytes_argument(&call, 3, &length);
	int kept_fd = int_argument(&call, 4);
	int flags = int_argument(&call, 5);
	napi_value result = NULL;
	struct child child;

	if (call.failed)
		goto out;
	int error = child_start(path, argv, environment, input, length, kept_fd,
				flags, &child);
	if (error < 0) {
		result = number(&call, error);
		goto out;
	}
	napi_value pid = number(&call, child.pid);
	napi_value stdout_fd = number(&call, child.stdout_fd);
	napi_value stderr_fd = number(&call, child.stderr_fd);
	napi_value stdin_fd = number(&call, child.stdin_fd);
	if (call.failed || napi_create_array_with_length(env, 4, &result) != napi_ok ||
	    napi_set_element(env, result, 0, pid) != napi_ok ||
	    napi_set_element(env, result, 1, stdout_fd) != napi_ok ||
	    napi_set_element(env, result, 2, stderr_fd) != napi_ok ||
	    napi_set_element(env, result, 3, stdin_fd) != napi_ok) {
		fail(&call, "an array could not be made");
		result = NULL;
	}
out:
	free(path);
	free_strings(argv);
	free_strings(environment);
	return result;
}

/* openChild(pid) -> fd that is readable once the child has ended */
static napi_value open_child(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	int pid = int_argument(&call, 0);

	return call.failed ? NULL : number(&call, child_open(pid));
}

/* waitChild(pid, timeoutMs) -> wait status */
static napi_value wait_child(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 2);
	int pid = int_argument(&call, 0);
	int timeout_ms = int_argument(&call, 1);

	return call.failed ? NULL : number(&call, child_wait(pid, timeout_ms));
}

/* exitNow(code): _exit(2), which saves several milliseconds of Node.js teardown. */
static napi_value exit_now(napi_env env, napi_callback_info info)
{
	struct call call = begin(env, info, 1);
	int code = int_argument(&call, 0);

	if (!call.failed)
		_exit(code);
	return NULL;
}

static napi_value init(napi_env env, napi_value exports)
{
	static const struct function functions[] = {
		{ "openNetlinkSocket", open_netlink_socket },
		{ "sendFrame", send_frame },
		{ "writeFileInNetns", write_file_in_netns },
		{ "openNetns", open_netns },
		{ "tryLock", try_lock },
		{ "releaseLock", release_lock },
		{ "startChild", start_child },
		{ "openChild", open_child },
		{ "waitChild", wait_child },
		{ "exitNow", exit_now },
	};

	if (!export_functions(env, exports, functions, sizeof(functions) / sizeof(functions[0])) ||
	    !export_socket_functions(env, exports) || !export_watch_functions(env, exports) ||
	    !export_ethtool_functions(env, exports) || !export_exchange_functions(env, exports) ||
	    !export_file_functions(env, exports) || !export_sync_functions(env, exports))
		return NULL;
	return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
