/*
 * The bytecode of the plugin, which saves V8 the compilation. V8 checks that
 * the bytecode fits its version and flags, but not that it is undamaged: it
 * would run whatever a faulty disk returns. scripts/tools/bytecode.ts writes
 * the file: a little-endian checksum of 8 bytes, then the data it covers.
 */
#ifndef SRIOV_SHIM_BYTECODE_H
#define SRIOV_SHIM_BYTECODE_H

#include <stdbool.h>

#define BYTECODE_NAME "main.bytecode"

/* Whether the bytecode of a release exists and matches its checksum. */
bool bytecode_is_whole(const char *release);

#endif
