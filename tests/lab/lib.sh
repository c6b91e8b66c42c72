# shellcheck shell=bash
# Shared by every script of the lab: messages, the cache, the machine's packages.
# Sourced, never run.

# A command that fails inside $(...) is a failure too.
shopt -s inherit_errexit

# Used by the scripts that source this file.
# shellcheck disable=SC2034
LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck disable=SC2034
LAB_SERIES=(5.10 6.1 6.12 7.2)
LAB_CACHE=$(realpath -m "${KVMX_LAB_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/kvm-exit-exporter-lab}")

# A failure of the lab itself, told apart from any ordinary status of the
# command: 125, as timeout(1), env(1) and docker use it.
LAB_FAILED=125

# No failure goes by without a sentence, nor takes the command's status.
set -E
trap 'say "$BASH_COMMAND failed (${BASH_SOURCE[0]}:$LINENO)"; exit "$LAB_FAILED"' ERR

say() { printf 'lab: %s\n' "$*" >&2; }

die() {
  say "$@"
  exit "$LAB_FAILED"
}

[[ $(uname -m) == x86_64 ]] || die "the lab runs Debian's amd64 packages: use an x86_64 machine"

# usage SCRIPT: the header comment of a script is its documentation.
usage() { sed -n '2,/^[^#]/{/^#/{s/^# \{0,1\}//;p}}' "$1"; }

# need_value OPTION COUNT: an option that came last has no value to take.
need_value() { (($2 >= 2)) || die "$1 needs a value; see --help"; }

need_number() {
  [[ $2 =~ ^[1-9][0-9]*$ ]] || die "$1 needs a number above 0, not '$2'"
}

need_series() {
  local known
  for known in "${LAB_SERIES[@]}"; do [[ $1 != "$known" ]] || return 0; done
  die "no kernel '$1' in the lab; choose one of: ${LAB_SERIES[*]}"
}

# with_lock NAME COMMAND...: one at a time over all runs that share the cache.
with_lock() {
  local name=$1
  shift
  mkdir -p "$LAB_CACHE" || die "cannot write $LAB_CACHE; set KVMX_LAB_CACHE to a directory you own"
  (
    flock 9
    "$@"
  ) 9>"$LAB_CACHE/$name.lock"
}

# build_once DIR FUNCTION ARGS...: run FUNCTION SCRATCH ARGS... and give what it
# left in SCRATCH the name DIR. DIR appears by one rename, so whoever sees it
# sees all of it, and a run that was cut short leaves only scratch behind.
build_once() {
  [[ -d $1 ]] || with_lock build build_locked "$@"
}

build_locked() {
  local target=$1 scratch
  shift
  [[ ! -d $target ]] || return 0
  # We hold the lock, so any scratch here belongs to a run that died.
  rm -rf "$LAB_CACHE"/scratch.*
  scratch=$(mktemp -d "$LAB_CACHE/scratch.XXXXXX")
  chmod 755 "$scratch"
  "$1" "$scratch" "${@:2}"
  mkdir -p "$(dirname "$target")"
  mv "$scratch" "$target"
}

# require_packages PACKAGE...: Debian packages of the machine itself.
require_packages() {
  local package installed missing=()
  # It lists what it knows and complains of the rest.
  # shellcheck disable=SC2016 # dpkg's own variables
  installed=$(dpkg-query -W -f ' ${Package}=${db:Status-Status} ' "$@" 2>/dev/null || true)
  for package in "$@"; do
    [[ $installed == *" $package=installed "* ]] || missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  [[ $(id -u) == 0 ]] || die "missing packages; as root: apt-get install ${missing[*]}"
  with_lock install install_packages "${missing[@]}"
}

install_packages() {
  say "installing $*"
  local log
  log=$(mktemp)
  if ! apt_install "$@" >"$log" 2>&1 && ! { apt-get update && apt_install "$@"; } >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get could not install: $*; check the machine's apt sources and network"
  fi
  rm -f "$log"
}

apt_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 install "$@"
}
