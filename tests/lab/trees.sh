# shellcheck shell=bash
# Clean Debian systems in directories, fetched once. Sourced after lib.sh and kernels.sh.

TREE_LAYOUT=2

# tree_dir SUITE PURPOSE: print the directory of a minimal system of that suite. PURPOSE says what is
# on it besides: "clean" systemd, as on any server, "build" what deploy/packages.sh lists to build the
# exporter and its package, or "slim" nothing, as in container images. Not to be changed: work on a
# copy or an overlay.
tree_dir() {
  local suite=$1 purpose=$2 dir=$LAB_CACHE/trees-$TREE_LAYOUT/$1-$2
  [[ -d $dir ]] || require_packages debootstrap
  build_once "$dir" make_tree "$suite" "$purpose"
  printf '%s\n' "$dir"
}

make_tree() {
  local scratch=$1 suite=$2 purpose=$3 main security signed=() include=()
  update_suite "$suite" || die "no suite $suite on the machine's mirror"
  main=$(mirror Debian) security=$(mirror Debian-Security)
  [[ ! -e $KEYRING ]] || signed=(--keyring "$KEYRING")
  [[ $purpose == slim ]] || include=("--include=ca-certificates,kmod,procps,systemd-sysv")
  say "making a system of $suite ($purpose)"
  debootstrap "${signed[@]}" --variant=minbase "${include[@]}" \
    "$suite" "$scratch/tree" "$main" >"$scratch/log" 2>&1 || {
    tail -n 5 "$scratch/log" >&2
    die "debootstrap could not make a system of $suite; check the network and try again"
  }
  {
    printf 'deb %s %s main\n' "$main" "$suite"
    [[ -z $security ]] || printf 'deb %s %s-security main\n' "$security" "$suite"
  } >"$scratch/tree/etc/apt/sources.list"
  # Services are not started in a chroot; and this is no place to wait for one's documentation.
  printf '#!/bin/sh\nexit 101\n' >"$scratch/tree/usr/sbin/policy-rc.d"
  chmod 755 "$scratch/tree/usr/sbin/policy-rc.d"
  tree_apt "$scratch/tree" update
  if [[ $purpose == build ]]; then
    # shellcheck source=../../deploy/packages.sh
    . "$LAB_DIR/../../deploy/packages.sh"
    tree_apt "$scratch/tree" install "${BUILD_PACKAGES[@]}" "${PACKAGING_PACKAGES[@]}"
  fi
  rm -f "$scratch/tree"/var/cache/apt/archives/*.deb
  mv "$scratch/tree"/* "$scratch"/
  rmdir "$scratch/tree"
}

# tree_apt TREE ARGUMENT...: apt-get in a tree, with the machine's way to the archive.
tree_apt() {
  local tree=$1 log
  shift
  log=$(mktemp)
  cp /etc/resolv.conf /etc/hosts "$tree/etc/"
  if ! chroot "$tree" env DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 \
    apt-get -y --no-install-recommends -o Acquire::Retries=3 -o APT::Sandbox::User=root "$@" \
    >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
