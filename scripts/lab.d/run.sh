# shellcheck shell=bash
# Starts a guest for one job, and makes sure that nothing of it is left afterwards.

# Kills what was started and removes the temporary folder. Nothing is mounted in it outside of QEMU's namespace.
lab_end_run() {
  local pid
  for pid in ${LAB_PIDS:-}; do
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  [ -z "${LAB_TTY:-}" ] || stty "$LAB_TTY" || true
  [ -z "${LAB_TMP:-}" ] || rm -rf --one-file-system -- "$LAB_TMP"
}

# Writes what the guest has to know into the control folder.
lab_write_job() {
  local ctl=$1 name ports=$2
  printf '%s' "$LAB_PROJECT" >"$ctl/project"
  printf '%s\n' "$ports" >"$ctl/ports"
  date +%s.%N >"$ctl/time"
  [ -z "${MULTUS:-}" ] || install -m 755 -- "$MULTUS" "$ctl/multus"
  : >"$ctl/env"
  for name in $(compgen -e); do
    case "$name" in
      SRIOV_LAB_*) ;;
      SRIOV_* | VITEST_* | CI*) printf '%s=%s\0' "$name" "${!name}" >>"$ctl/env" ;;
    esac
  done
  shift 2
  [ $# = 0 ] || printf '%s\0' "$@" >"$ctl/job"
}

# Prints the last words of the guest's kernel, for somebody who wonders what happened. Usage: lab_tail_console WHAT LINES
lab_tail_console() {
  echo "lab: $1; the last lines of the guest's kernel log:" >&2
  tail -n "$2" "$LAB_TMP/ctl/console.log" 2>/dev/null | tr -d '\r' | sed 's/^/  | /' >&2 || true
}

# Starts QEMU and waits for it; the options are in PORTS, TIMEOUT, OUT, KERNEL, CPU, CORES, WITHOUT and ICOUNT. Usage: lab_boot [JOB...]
lab_boot() {
  local ports=$PORTS timeout=$TIMEOUT out=$OUT status=125 qemu watch
  # The output of the job has the standard output for itself.
  lab_require_build "$KERNEL" >&2
  # As long as a guest runs, its build is not removed.
  exec 7<"$LAB_BUILD"
  flock -s 7
  [ -d "$LAB_BUILD/guest" ] || die "the build was removed just now: try again"

  LAB_TMP=$(mktemp -d "${TMPDIR:-/tmp}/sriov-lab.XXXXXX")
  LAB_PIDS=''
  trap lab_end_run EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  trap 'exit 129' HUP
  mkdir -p "$LAB_TMP"/{ctl,out}
  if [ -n "$out" ]; then
    mkdir -p "$out"
    out=$(realpath "$out")
  else
    out=$LAB_TMP/out
  fi
  lab_write_job "$LAB_TMP/ctl" "$ports" "$@"

  # An interactive shell gets the keyboard. A job must not eat the input of the calling script, and its port
  # is dead for QEMU at an end of file: a pipe that stays open says nothing for ever.
  local input
  if [ $# = 0 ]; then
    LAB_TTY=$(stty -g)
    stty size >"$LAB_TMP/ctl/size"
    exec {input}<&0
  else
    mkfifo "$LAB_TMP/silence"
    exec {input}<>"$LAB_TMP/silence"
  fi
  # The mounts are QEMU's own, and QEMU ends with this script even if that is killed with -9.
  setpriv --pdeathsig KILL unshare --mount --propagation private \
    /bin/bash "$LAB_PARTS/qemu" "$LAB_BUILD" "$LAB_PROJECT" "$LAB_TMP/ctl" "$out" "$ports" \
    "$(lab_kernel_folder "$KERNEL")" "$CPU" "$CORES" "$WITHOUT" "$ICOUNT" <&"$input" 2>"$LAB_TMP/qemu.log" &
  qemu=$!
  LAB_PIDS=$qemu
  setpriv --pdeathsig KILL sleep "$timeout" >/dev/null 7<&- &
  watch=$!
  LAB_PIDS="$qemu $watch"

  # Only one of the two is asked for: whichever ends first decides.
  wait -n "$qemu" "$watch" || true
  if kill -0 "$qemu" 2>/dev/null; then
    status=124
    lab_tail_console "the job did not end within $timeout s" 150
  elif [ -s "$LAB_TMP/ctl/status" ]; then
    status=$(<"$LAB_TMP/ctl/status")
    [ "$status" = 0 ] || [ $# = 0 ] || lab_tail_console "the job ended with status $status" 20
  else
    cat "$LAB_TMP/qemu.log" >&2
    lab_tail_console "the guest ended before the job did" 150
  fi
  kill -KILL "$qemu" 2>/dev/null || true
  wait "$qemu" 2>/dev/null || true
  [ "$out" = "$LAB_TMP/out" ] || tr -d '\r' <"$LAB_TMP/ctl/console.log" >"$out/kernel.log" || true
  exit "$status"
}

# Reads the options of run and shell into PORTS, TIMEOUT, OUT, KERNEL, CPU, CORES, WITHOUT, ICOUNT and USED (how
# many words they were).
lab_options() {
  # Two at most: emulating more than the machine has makes all of them slower.
  CORES=$(nproc)
  [ "$CORES" -le 2 ] || CORES=2
  PORTS=2 TIMEOUT=1500 OUT='' KERNEL=$LAB_DEFAULT_KERNEL CPU=max WITHOUT='' ICOUNT='' USED=0
  while [ $# -gt 0 ]; do
    case "$1" in
      --ports | --timeout | --out | --kernel | --cpu | --cores | --without) [ $# -gt 1 ] || die "$1 needs a value" ;;
    esac
    if [ "$1" = --icount ]; then
      ICOUNT=1 CORES=1 USED=$((USED + 1))
      shift
      continue
    fi
    case "$1" in
      --ports) PORTS=$2 ;;
      --timeout) TIMEOUT=$2 ;;
      --out) OUT=$2 ;;
      --kernel) KERNEL=$2 ;;
      --cpu) CPU=$2 ;;
      --cores) CORES=$2 ;;
      --without) WITHOUT=$2 ;;
      -*) die "unknown option '$1' (see scripts/lab --help)" ;;
      *) break ;;
    esac
    USED=$((USED + 2))
    shift 2
  done
  lab_check_kernel "$KERNEL"
  [[ $CPU =~ ^[A-Za-z0-9][A-Za-z0-9.,=+_-]*$ ]] || die "--cpu: '$CPU' is not a model of QEMU's"
  [[ $WITHOUT =~ ^(|iommu|acs)$ ]] || die "--without: '$WITHOUT' is not iommu or acs"
  [[ $CORES =~ ^[1-8]$ ]] || die "--cores: '$CORES' is not a number from 1 to 8"
  [[ $PORTS =~ ^[1-8]$ ]] || die "--ports: '$PORTS' is not a number from 1 to 8"
  [[ $TIMEOUT =~ ^[1-9][0-9]*$ ]] || die "--timeout: '$TIMEOUT' is not a number of seconds"
}

lab_run() {
  local file
  lab_options "$@"
  shift "$USED"
  [ $# -gt 0 ] || die "run: which file? (see scripts/lab --help)"
  file=$(realpath -- "$1" 2>/dev/null) || die "run: no such file: $1"
  case "$file" in
    "$LAB_PROJECT"/*) ;;
    *) die "run: $1 is not inside the project, which is all that the guest sees of this machine" ;;
  esac
  if [ ! -f "$file" ] || [ ! -x "$file" ]; then die "run: $1 is not an executable file"; fi
  lab_boot "$file" "${@:2}"
}

lab_shell() {
  lab_options "$@"
  [ "$USED" = $# ] || die "shell takes no file"
  if [ ! -t 0 ] || [ ! -t 1 ]; then die "shell needs a terminal"; fi
  # Nobody wants to be thrown out of a shell: a month is as good as for ever.
  TIMEOUT=2592000
  lab_boot
}
