#include "functions.h"

bool export_functions(napi_env env, napi_value exports, const struct function *functions, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		napi_value function;
		if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH,
					 functions[i].callback, NULL, &function) != napi_ok ||
		    napi_set_named_property(env, exports, functions[i].name, function) != napi_ok) {
			napi_throw_error(env, NULL, "the addon could not be initialised");
			return false;
		}
	}
	return true;
}
