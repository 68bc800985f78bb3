# shellcheck shell=bash
# Packages of another suite of Debian, to unpack: nothing is installed, and the machine's apt stays as it is.

# Reads a suite's lists with an apt of its own below FOLDER, and sets SUITE_APT, the options for apt-get and apt-cache.
# Usage: suite_open FOLDER SUITE MIRROR
suite_open() {
  local apt=$1
  SUITE_APT=(
    -q -o "Dir::Etc::sourcelist=$apt/list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::lists=$apt/lists"
    -o "Dir::Cache=$apt" -o Acquire::Languages=none -o APT::Sandbox::User=root
    # The lists of a suite that is no longer maintained are past their date.
    -o Acquire::Check-Valid-Until=false
  )
  mkdir -p "$apt"/{lists,archives}/partial
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $3 $2 main" >"$apt/list"
  apt-get "${SUITE_APT[@]}" update
}
