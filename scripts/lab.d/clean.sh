# shellcheck shell=bash
# Removing things from the cache, carefully: a mount below it could lead anywhere.

# Removes one folder, and fails when something is mounted on or below it.
lab_remove_tree() {
  local dir=$1
  if awk -v dir="$dir" '{ gsub(/\\040/, " ", $5) } $5 == dir || index($5, dir "/") == 1 { found = 1 } END { exit !found }' \
    /proc/self/mountinfo; then
    echo "lab: something is mounted below $dir: not removed" >&2
    return 1
  fi
  # One file system only, in case a mount appears after the look above.
  rm -rf --one-file-system -- "$dir"
}

lab_clean() {
  [ $# = 0 ] || die "clean takes no arguments"
  local dir fd
  [ -e "$LAB_CACHE" ] || return 0
  # A mistyped SRIOV_LAB_CACHE must not cost anybody a folder that the lab has not made.
  [ -f "$LAB_CACHE/lock" ] || die "$LAB_CACHE is not a cache of the lab: it has no file named lock"
  exec 9>>"$LAB_CACHE/lock"
  flock -n 9 || die "a build is running"
  for dir in "$LAB_CACHE"/build-*; do
    [ -d "$dir" ] || continue
    # Guests hold a shared lock on the build they run from.
    exec {fd}<"$dir"
    flock -n -x "$fd" || die "a guest is running from $dir"
  done
  for dir in "$LAB_CACHE"/{build-*,new}; do
    lab_remove_tree "$dir" || exit 1
  done
  rm -f "$LAB_CACHE/build.log" "$LAB_CACHE/lock"
  rmdir --ignore-fail-on-non-empty "$LAB_CACHE"
}
