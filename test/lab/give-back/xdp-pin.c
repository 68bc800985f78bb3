/*
 * Loads an XDP program that lets every packet pass, and pins it at a path of the BPF file system: ip(8) attaches it from
 * there, as programs with AF_XDP sockets attach theirs.
 * Usage: xdp-pin PATH
 */
#include <linux/bpf.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

static long bpf(enum bpf_cmd command, union bpf_attr *attributes)
{
	return syscall(SYS_bpf, command, attributes, sizeof(*attributes));
}

int main(int argc, char *argv[])
{
	/* r0 = XDP_PASS; exit */
	static const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)pass,
		.insn_cnt = sizeof(pass) / sizeof(pass[0]),
		.license = (uintptr_t) "GPL",
	};
	long fd = bpf(BPF_PROG_LOAD, &load);

	if (argc != 2 || fd < 0) {
		perror("xdp-pin: the program cannot be loaded");
		return 1;
	}
	union bpf_attr pin = { .pathname = (uintptr_t)argv[1], .bpf_fd = (uint32_t)fd };
	if (bpf(BPF_OBJ_PIN, &pin) < 0) {
		perror(argv[1]);
		return 1;
	}
	return 0;
}
