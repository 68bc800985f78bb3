#include "bytecode.h"

#include "bytes.h"
#include "release.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKSUM_BYTES = 8, MAX_BYTECODE_BYTES = 16 * 1024 * 1024 };

/* FNV-1a over little-endian words of 8 bytes; the remaining bytes at the end count singly. */
static uint64_t checksum_of(const unsigned char *data, size_t length)
{
	static const uint64_t PRIME = 0x100000001b3;
	uint64_t sum = 0xcbf29ce484222325;
	size_t i = 0;

	for (; i + 8 <= length; i += 8)
		sum = (sum ^ (get_u32(data + i) | (uint64_t)get_u32(data + i + 4) << 32)) * PRIME;
	for (; i < length; i++)
		sum = (sum ^ data[i]) * PRIME;
	return sum;
}

static bool is_whole(const unsigned char *file, size_t length)
{
	uint64_t expected = get_u32(file) | (uint64_t)get_u32(file + 4) << 32;

	return checksum_of(file + CHECKSUM_BYTES, length - CHECKSUM_BYTES) == expected;
}

bool bytecode_is_whole(const char *release)
{
	static char path[PATH_MAX];
	struct bytes file = { 0 };
	struct stat status;
	bool result = false;
	int fd = path_join(path, release, BYTECODE_NAME) < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	/* Read the file instead of mapping it: a failing disk then causes an error, not SIGBUS. */
	if (fstat(fd, &status) == 0 && status.st_size > CHECKSUM_BYTES && status.st_size <= MAX_BYTECODE_BYTES &&
	    bytes_reserve(&file, (size_t)status.st_size)) {
		long count;
		while (file.length < (size_t)status.st_size &&
		       (count = read_some(fd, file.data + file.length, (size_t)status.st_size - file.length)) > 0)
			file.length += (size_t)count;
		result = file.length == (size_t)status.st_size && is_whole(file.data, file.length);
	}
	close(fd);
	return result;
}
