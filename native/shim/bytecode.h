/*
 * The bytecode of the plugin, which V8 need not compile again: V8 looks whether
 * it is for its own version and flags, but not whether it is whole, and would
 * run whatever a damaged disk made of it. scripts/tools/bytecode.ts writes the
 * file: a checksum of 8 bytes, little-endian, and what it is of.
 */
#ifndef SRIOV_SHIM_BYTECODE_H
#define SRIOV_SHIM_BYTECODE_H

#include <stdbool.h>

#define BYTECODE_NAME "main.bytecode"

/* Whether the bytecode of a release is there and as it was made. */
bool bytecode_is_whole(const char *release);

#endif
