# shellcheck shell=bash
# Builds the guest: a QEMU folder (trixie) with the kernels that were asked for, and a guest root folder (bookworm).
# Everything is in one folder of the cache, named after a hash of what it is made from.

# The kernels that the guest can run: scripts/lab.d/kernel has where Debian keeps them.
LAB_KERNELS=(5.10 6.1 6.12 7.2)
LAB_DEFAULT_KERNEL=6.12

# The guest root: what a node of a cluster has, plus tools to look and measure with.
LAB_GUEST_PACKAGES=(
  busybox-static containerd containernetworking-plugins dpdk dpdk-dev ethtool ibverbs-providers iperf3 iproute2 iptables
  iputils-ping jq kmod librte-mempool-ring23 librte-net-e1000-23 nftables pciutils perftest podman procps python3-minimal
  runc tcpdump util-linux
)
# Bookworm's own QEMU has no igb. Packages here are only unpacked, never configured.
LAB_QEMU_PACKAGES=(base-files busybox-static cpio kmod qemu-system-x86 xz-utils)
LAB_QEMU_LEAST=10.0.13

# Prints the name of the build that belongs to this version of the scripts.
lab_stamp() {
  # What runs after the boot is read from the project tree, so it is no part of the stamp.
  cat "$LAB_PARTS"/{build.sh,suite.sh,kernel,containerd,init} | sha256sum | cut -c1-16
}

lab_say() {
  printf '[lab] %3d s  %s\n' "$SECONDS" "$*"
}

# mmdebstrap with the settings that make it fast and small.
lab_debstrap() {
  mmdebstrap --mode=root \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' "$@"
}

lab_join() {
  local IFS=,
  printf '%s' "$*"
}

lab_make_guest() {
  local root=$1/guest
  lab_debstrap --variant=minbase --include="$(lab_join "${LAB_GUEST_PACKAGES[@]}")" bookworm "$root" "$2"
  # Points to mount on: the root is shared read-only and an overlay over 9p makes folders slowly.
  mkdir -p "$root"/lab "$root"/out "$root"/usr/lib/modules "$root"/etc/cni/net.d "$root"/opt/cni/bin "$root"/var/lib/{cni,containers,containerd}
  "$LAB_PARTS/containerd" "$root/opt/containerd-2" "$1/apt" "$2"
  # The machine's node is mounted on this file when the guest starts.
  : >"$root/usr/local/bin/node"
  chmod 755 "$root/usr/local/bin/node"
  printf 'lab\n' >"$root/etc/hostname"
  printf '127.0.0.1 localhost lab\n::1 localhost\n' >"$root/etc/hosts"
  : >"$root/etc/resolv.conf"
}

lab_make_qemu() {
  local root=$1/qemu
  lab_debstrap --variant=extract --include="$(lab_join "${LAB_QEMU_PACKAGES[@]}")" \
    trixie "$root" "$2"
  mkdir -p "$root"/proc "$root"/lab/{guest,tree,ctl,out}
  local version
  version=$(chroot "$root" qemu-system-x86_64 --version | sed -n 's/.*version \([0-9.]*\).*/\1/p')
  # Older ones lose writes to VF registers: VFs then never get a carrier.
  printf '%s\n%s\n' "$LAB_QEMU_LEAST" "$version" | sort -CV ||
    { echo "QEMU is $version, but at least $LAB_QEMU_LEAST is needed" && exit 1; }
}

# Waits for one part of the build; tells what went wrong in it.
lab_wait_part() {
  local name=$1 pid=$2 log=$3
  if ! wait "$pid"; then
    tail -n 25 "$log" >&2
    die "the build failed: $name"
  fi
  lab_say "$name: done"
}

lab_build_abort() {
  local part
  # mmdebstrap unmounts what it has mounted when it is told to end.
  for part in $(jobs -p); do
    kill -TERM -- "-$part" 2>/dev/null || true
    while kill -0 -- "-$part" 2>/dev/null; do sleep 0.1; done
  done
  lab_remove_tree "$1" || true
}

# The folder of a kernel, below the root of QEMU.
lab_kernel_folder() { printf 'kernel-%s' "$1"; }

# Makes a kernel's folder below QEMU's root, whole or not at all.
lab_make_kernel() {
  local kernel=$1 root=$2 mirror=$3 new
  new=new-$(lab_kernel_folder "$kernel")
  rm -rf --one-file-system -- "${root:?}/$new"
  "$LAB_PARTS/kernel" "$kernel" "$root" "$new" "$mirror" "$LAB_PARTS/init"
  mv -T "$root/$new" "$root/$(lab_kernel_folder "$kernel")"
}

# Starts the making of all kernels given, and waits for them.
lab_make_kernels() {
  local root=$1 logs=$2 mirror=$3 kernel
  shift 3
  declare -A makers=()
  for kernel in "$@"; do
    lab_make_kernel "$kernel" "$root" "$mirror" >"$logs/kernel-$kernel.log" 2>&1 &
    makers[$kernel]=$!
  done
  for kernel in "$@"; do
    lab_wait_part "kernel $kernel" "${makers[$kernel]}" "$logs/kernel-$kernel.log"
  done
}

# Builds into $LAB_CACHE/new and renames it, so that a finished build is the only thing that looks like one.
# Usage: lab_do_build TARGET KERNEL...     (a target that is there only gets the kernels)
lab_do_build() {
  local target=$1 new=$LAB_CACHE/new mirror guest qemu
  shift
  if ! command -v mmdebstrap >/dev/null; then
    lab_say "installing mmdebstrap on this machine"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
      mmdebstrap >"$LAB_CACHE/build.log" 2>&1 || { tail "$LAB_CACHE/build.log" >&2 && die "could not install mmdebstrap"; }
  fi
  mirror=$("$LAB_PARTS/debian-mirror")
  # shellcheck disable=SC2064
  trap "lab_build_abort '$new'" EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  lab_build_abort "$new"
  # With job control each part is a process group, which an abort can end as a whole.
  set -m
  if [ -d "$target" ]; then
    lab_make_kernels "$target/qemu" "$target" "$mirror" "$@"
  else
    mkdir -p "$new"
    lab_say "guest root file system (bookworm) and, next to it, QEMU (trixie) and its kernels ..."
    lab_make_guest "$new" "$mirror" >"$new/guest.log" 2>&1 &
    guest=$!
    lab_make_qemu "$new" "$mirror" >"$new/qemu.log" 2>&1 &
    qemu=$!
    lab_wait_part "QEMU" "$qemu" "$new/qemu.log"
    lab_make_kernels "$new/qemu" "$new" "$mirror" "$@"
    lab_wait_part "guest root file system" "$guest" "$new/guest.log"
    mv -T "$new" "$target"
  fi
  trap - EXIT INT TERM HUP
  lab_say "ready: $(du -sh "$target" | cut -f1) in $target"
}

# Removes builds of other versions of the scripts, unless a guest still runs from them.
lab_drop_old() {
  local dir fd
  for dir in "$LAB_CACHE"/build-*; do
    [ "$dir" = "$1" ] && continue
    exec {fd}<"$dir"
    if flock -n -x "$fd"; then lab_remove_tree "$dir" || true; fi
    exec {fd}<&-
  done
}

# Builds in a subshell, which keeps its traps and jobs to itself, and passes signals on to it.
lab_build_apart() {
  local pid
  # No || here: it would switch -e off inside the build.
  (lab_do_build "$@") &
  pid=$!
  # shellcheck disable=SC2064
  trap "kill -TERM $pid; wait $pid; exit 143" INT TERM HUP
  wait "$pid"
  trap - INT TERM HUP
}

# Prints those of the kernels given that a build lacks.
lab_missing_kernels() {
  local target=$1 kernel
  shift
  for kernel in "$@"; do
    [ -d "$target/qemu/$(lab_kernel_folder "$kernel")" ] || printf '%s\n' "$kernel"
  done
}

# Makes sure that the guest is there, with the kernels given.
lab_require_build() {
  local target missing
  target=$LAB_CACHE/build-$(lab_stamp)
  # shellcheck disable=SC2034 # run.sh starts QEMU from it
  LAB_BUILD=$target
  [ -n "$(lab_missing_kernels "$target" "$@")" ] || return 0
  mkdir -p "$LAB_CACHE"
  exec 9>"$LAB_CACHE/lock"
  flock -n 9 || { lab_say "waiting for another build ..." && flock 9; }
  mapfile -t missing < <(lab_missing_kernels "$target" "$@")
  [ ${#missing[@]} = 0 ] || lab_build_apart "$target" "${missing[@]}"
  lab_drop_old "$target"
  exec 9>&-
}

lab_build() {
  local kernels=()
  while [ $# -gt 0 ]; do
    [ "$1" = --kernel ] || die "build: unknown argument '$1' (see scripts/lab --help)"
    [ $# -gt 1 ] || die "--kernel needs a value"
    lab_check_kernel "$2"
    kernels+=("$2")
    shift 2
  done
  lab_require_build "${kernels[@]:-$LAB_DEFAULT_KERNEL}"
  lab_say "complete: $LAB_BUILD"
}

lab_check_kernel() {
  case " ${LAB_KERNELS[*]} " in
    *" $1 "*) ;;
    *) die "--kernel: there is no kernel '$1', only ${LAB_KERNELS[*]}" ;;
  esac
}
