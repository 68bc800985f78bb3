/* Bytes that grow, little-endian numbers in them, and whole reads and writes. */
#ifndef SRIOV_SHIM_BYTES_H
#define SRIOV_SHIM_BYTES_H

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "big-endian machines are not supported: numbers are handed on as they lie in memory"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bytes {
	unsigned char *data;
	size_t length;
	size_t capacity;
};

/* Room for so many bytes behind those that are there. False when memory is short. */
bool bytes_reserve(struct bytes *bytes, size_t more);

bool bytes_append(struct bytes *bytes, const void *data, size_t length);

void put_u32(unsigned char *at, uint32_t value);
void put_u64(unsigned char *at, uint64_t value);
uint32_t get_u32(const unsigned char *at);

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t now_ms(void);

#define NO_DEADLINE INT64_MAX

/* poll(2) for one descriptor until a moment of now_ms(). False when it passes, or for an error. */
bool wait_for(int fd, short events, int64_t deadline_ms);

/* Writes everything, also to a descriptor that does not block. */
bool write_all(int fd, const void *data, size_t length);

/* read(2) that waits on a descriptor that does not block. */
long read_some(int fd, void *data, size_t length);

#endif
