/* A growing buffer, little-endian numbers, and reads and writes that wait. */
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

/* Makes room for `more` bytes after the present ones. False when out of memory. */
bool bytes_reserve(struct bytes *bytes, size_t more);

bool bytes_append(struct bytes *bytes, const void *data, size_t length);

void put_u32(unsigned char *at, uint32_t value);
void put_u64(unsigned char *at, uint64_t value);
uint32_t get_u32(const unsigned char *at);

/* The time of CLOCK_MONOTONIC in milliseconds. */
int64_t now_ms(void);

#define NO_DEADLINE INT64_MAX

/*
 * Waits with poll(2) for one descriptor until now_ms() reaches the deadline.
 * False at the deadline, or on an error.
 */
bool wait_for(int fd, short events, int64_t deadline_ms);

/* Writes everything; waits when the descriptor is non-blocking and full. */
bool write_all(int fd, const void *data, size_t length);

/* Calls read(2); waits when the descriptor is non-blocking and empty. Returns -1 with errno. */
long read_some(int fd, void *data, size_t length);

#endif
