# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What every package of the static program begins with. Sourced, with $ROOT set, by build.sh here, in rpm/ and in
# debian/.

die() {
  echo "$(basename "$0"): $*" >&2
  exit 1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
umask 022
export TZ=UTC LC_ALL=C.UTF-8

# build_static: builds the program, or takes what is in the directory $prebuilt. Sets $prebuilt, $version, and
# SOURCE_DATE_EPOCH, unless it is set, to the commit's date.
build_static() {
  [[ $(uname -m) == x86_64 ]] || die "the exporter is for x86-64 hosts: build it on one"
  if [[ -z ${SOURCE_DATE_EPOCH:-} ]]; then
    SOURCE_DATE_EPOCH=$(git -C "$ROOT" log -1 --format=%ct 2>/dev/null) ||
      die "this is no clone, so there is no commit's date: set SOURCE_DATE_EPOCH"
  fi
  export SOURCE_DATE_EPOCH
  if [[ -z ${prebuilt:-} ]]; then
    # shellcheck source=../packages.sh
    . "$ROOT/deploy/packages.sh"
    prebuilt=$ROOT/build/static
    build "$prebuilt" -DKVMX_TESTS=OFF -- all kvm_exit_exporter_static >&2
  fi
  [[ -x $prebuilt/exporter/static/kvm_exit_exporter_static ]] ||
    die "$prebuilt has no static program: cmake --build $prebuilt --target kvm_exit_exporter_static"
  # shellcheck disable=SC2034 # for whoever sources this
  version=$(sed -n 's/^CMAKE_PROJECT_VERSION:STATIC=//p' "$prebuilt/CMakeCache.txt")
}

# put FILE TREE TARGET: FILE under the name TARGET in TREE.
put() { install -D -m 644 "$1" "$2/$3"; }

# stage TREE: the program and all that belongs to it, as it is installed below /.
stage() {
  local tree=$1 manual=$prebuilt/exporter/manual doc=usr/share/doc/kvm-exit-exporter source target
  install -D -m 755 "$prebuilt/exporter/static/kvm_exit_exporter_static" "$tree/usr/bin/kvm_exit_exporter"
  strip "$tree/usr/bin/kvm_exit_exporter"
  put "$manual/kvm_exit_exporter.8" "$tree" usr/share/man/man8/kvm_exit_exporter.8
  put "$manual/kvm_exit_exporter" "$tree" usr/share/bash-completion/completions/kvm_exit_exporter
  put "$manual/_kvm_exit_exporter" "$tree" usr/share/zsh/site-functions/_kvm_exit_exporter
  (
    cd "$ROOT" || exit
    put deploy/systemd/kvm-exit-exporter.service "$tree" usr/lib/systemd/system/kvm-exit-exporter.service
    put deploy/debian/kvm-exit-exporter.sysusers "$tree" usr/lib/sysusers.d/kvm-exit-exporter.conf
    put deploy/debian/kvm-exit-exporter.tmpfiles "$tree" usr/lib/tmpfiles.d/kvm-exit-exporter.conf
    # What Debian's package has besides is in its own lists.
    while read -r source target; do
      mkdir -p "$tree/$target"
      # shellcheck disable=SC2086 # a pattern
      cp -r $source "$tree/$target/"
    done < <(
      cat deploy/debian/kvm-exit-exporter.install
      sed "s,\$, $doc/examples," deploy/debian/kvm-exit-exporter.examples
      sed "s,\$, $doc," deploy/debian/kvm-exit-exporter.docs
    )
    put CHANGELOG.md "$tree" "$doc/CHANGELOG.md"
    put LICENSE "$tree" "$doc/licenses/kvm-exit-exporter"
    /usr/bin/python3 deploy/static/sbom.py "$prebuilt" "$tree/usr/bin/kvm_exit_exporter" "$tree/$doc/licenses" \
      >"$tree/$doc/sbom.spdx.json"
  )
  # A clone may have been made under any umask.
  find "$tree" -type d -exec chmod 755 {} + -o -type f -path '*/system-generators/*' -exec chmod 755 {} + \
    -o -type f ! -path '*/bin/*' -exec chmod 644 {} +
  (cd "$tree" && find . -type f -printf '%P\0' | sort -z | xargs -0 sha256sum >"$scratch/sums")
  put "$scratch/sums" "$tree" "$doc/SHA256SUMS"
}
