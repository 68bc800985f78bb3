#include "bytes.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* Most requests have a few kilobytes. */
static const size_t FIRST_CAPACITY = 16 * 1024;

bool bytes_reserve(struct bytes *bytes, size_t more)
{
	size_t capacity = bytes->capacity > 0 ? bytes->capacity : FIRST_CAPACITY;

	if (bytes->capacity - bytes->length >= more)
		return true;
	while (capacity - bytes->length < more) {
		if (capacity > SIZE_MAX / 2)
			return false;
		capacity *= 2;
	}
	/* Not realloc(3): the allocator would make up a quarter of this program. */
	void *data = bytes->data == NULL ?
		mmap(NULL, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) :
		mremap(bytes->data, bytes->capacity, capacity, MREMAP_MAYMOVE);
	if (data == MAP_FAILED)
		return false;
	bytes->data = data;
	bytes->capacity = capacity;
	return true;
}

bool bytes_append(struct bytes *bytes, const void *data, size_t length)
{
	if (!bytes_reserve(bytes, length))
		return false;
	memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
	return true;
}

void put_u32(unsigned char *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

void put_u64(unsigned char *at, uint64_t value)
{
	put_u32(at, (uint32_t)value);
	put_u32(at + 4, (uint32_t)(value >> 32));
}

uint32_t get_u32(const unsigned char *at)
{
	return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

int64_t now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd ready = { .fd = fd, .events = events };

	for (;;) {
		int timeout = -1;
		if (deadline_ms != NO_DEADLINE) {
			int64_t left = deadline_ms - now_ms();
			timeout = left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
		}
		int count = poll(&ready, 1, timeout);
		if (count > 0)
			return true;
		if (count == 0 || errno != EINTR)
			return false;
	}
}

bool write_all(int fd, const void *data, size_t length)
{
	const char *at = data;

	while (length > 0) {
		ssize_t written = write(fd, at, length);
		if (written >= 0) {
			at += written;
			length -= (size_t)written;
		} else if (errno == EAGAIN) {
			if (!wait_for(fd, POLLOUT, NO_DEADLINE))
				return false;
		} else if (errno != EINTR) {
			return false;
		}
	}
	return true;
}

long read_some(int fd, void *data, size_t length)
{
	for (;;) {
		ssize_t count = read(fd, data, length);
		if (count >= 0)
			return count;
		if (errno == EAGAIN) {
			if (!wait_for(fd, POLLIN, NO_DEADLINE))
				return -1;
		} else if (errno != EINTR) {
			return -1;
		}
	}
}
