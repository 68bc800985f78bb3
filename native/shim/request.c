#include "request.h"

#include "protocol.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK_BYTES = 64 * 1024, NOT_SPILLED = -2 };

/* VERSION and the about text (no CNI_COMMAND) must not wait for stdin. */
static bool has_configuration(void)
{
	const char *command = getenv("CNI_COMMAND");

	return command != NULL && command[0] != '\0' && strcmp(command, "VERSION") != 0;
}

static bool append_header(struct bytes *frame)
{
	static const unsigned char room[REQUEST_HEADER_BYTES];
	struct stat own;

	if (stat("/proc/self/ns/net", &own) < 0 || !bytes_append(frame, room, sizeof(room)))
		return false;
	put_u32(frame->data, PROTOCOL_MAGIC);
	put_u32(frame->data + 4, PROTOCOL_VERSION);
	put_u64(frame->data + 16, own.st_dev);
	put_u64(frame->data + 24, own.st_ino);
	return true;
}

/* Returns a memfd with all of stdin, both the part already read and the rest; -1 on failure. */
static int spill(const struct request *request)
{
	static unsigned char chunk[CHUNK_BYTES];
	const unsigned char *data = request->frame.data + request->stdin_offset;
	long length = (long)(request->frame.length - request->stdin_offset);
	int fd = memfd_create("cni-stdin", MFD_CLOEXEC);

	if (fd < 0)
		return -1;
	while (length > 0 && write_all(fd, data, (size_t)length)) {
		data = chunk;
		length = read_some(STDIN_FILENO, chunk, sizeof(chunk));
	}
	if (length == 0)
		return fd;
	close(fd);
	return -1;
}

static bool append_stdin(struct request *request)
{
	struct bytes *frame = &request->frame;

	for (;;) {
		if (frame->length > MAX_REQUEST_BYTES || !bytes_reserve(frame, CHUNK_BYTES)) {
			request->spilled_stdin = spill(request);
			return false;
		}
		long count = read_some(STDIN_FILENO, frame->data + frame->length, CHUNK_BYTES);
		/* When read(2) fails, the plugin meets the same error and reports it. */
		if (count <= 0) {
			request->has_read_stdin = count == 0;
			return count == 0;
		}
		request->has_read_stdin = true;
		frame->length += (size_t)count;
	}
}

bool request_make(struct request *request, char *const environment[])
{
	struct bytes *frame = &request->frame;

	request->spilled_stdin = NOT_SPILLED;
	if (!append_header(frame))
		return false;
	for (char *const *variable = environment; *variable != NULL; variable++) {
		if (!bytes_append(frame, *variable, strlen(*variable) + 1))
			return false;
	}
	request->stdin_offset = frame->length;
	if (frame->length > MAX_REQUEST_BYTES || (has_configuration() && !append_stdin(request)))
		return false;
	put_u32(frame->data + 8, (uint32_t)frame->length);
	put_u32(frame->data + 12, (uint32_t)(request->stdin_offset - REQUEST_HEADER_BYTES));
	return true;
}

bool request_give_back_stdin(struct request *request)
{
	int fd = request->spilled_stdin;

	if (!request->has_read_stdin)
		return true;
	if (fd == NOT_SPILLED)
		fd = spill(request);
	return fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 && dup2(fd, STDIN_FILENO) == STDIN_FILENO;
}
