# shellcheck shell=bash
# Debian kernels, QEMU 10, and a newer Prometheus, unpacked in the cache and never installed.
# Sourced after lib.sh. The machine's own apt is only asked where its mirror is:
# lists, sources and downloads here are the lab's own.

# Where each series lives. Main and security archives of a suite are looked at
# together; the first suite that still has the series wins.
declare -A SERIES_SUITES=(
  [5.10]=bullseye
  [6.1]=bookworm
  [6.12]=trixie
  [7.2]="sid forky trixie-backports"
)
# Raise it when fetch_kernel leaves something else behind than before.
KERNEL_LAYOUT=1
# QEMU 10 from where its libraries are those of the machine. Debian 12's own, 7.2,
# corrupts a Linux host that runs guests by SVM.
# shellcheck source=/dev/null
QEMU_SUITE=$(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
[[ $QEMU_SUITE != bookworm ]] || QEMU_SUITE=bookworm-backports
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# mirror LABEL: the archive of that label the machine is configured with.
mirror() {
  # shellcheck disable=SC2016 # apt's own variables
  apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' "Created-By: Packages" |
    awk -F '|' -v label="$1" '$1 == "Debian" && $2 == label && !seen++ { print $3 }'
}

# suite_apt SUITE TOOL ARGS...: apt that knows of that suite and of nothing else.
suite_apt() {
  local home=$LAB_CACHE/apt/$1 tool=$2
  shift 2
  "$tool" -o Dir::Etc::sourcelist="$home/sources.list" -o Dir::Etc::sourceparts=- \
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts="$home/none" \
    -o Dir::State::lists="$home/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$home/cache" \
    -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3 "$@"
}

# update_suite SUITE: fetch its lists; they are read only while a package is missing.
update_suite() {
  local suite=$1 home=$LAB_CACHE/apt/$1 main security signed='' log
  main=$(mirror Debian)
  if [[ -z $main ]]; then
    # A fresh container has sources but no lists, and so no labels, yet.
    [[ $(id -u) != 0 ]] || apt-get -qq update >&2 || true
    main=$(mirror Debian)
  fi
  [[ -n $main ]] || die "apt has no Debian archive among its sources; configure one and run apt-get update"
  security=$(mirror Debian-Security)
  [[ ! -e $KEYRING ]] || signed="signed-by=$KEYRING "
  mkdir -p "$home/none" "$home/lists/partial" "$home/cache/archives/partial"
  printf 'deb [%sarch=amd64] %s %s main\n' "$signed" "$main" "$suite" >"$home/sources.list"
  case $suite in
    bullseye | bookworm | trixie)
      [[ -z $security ]] || printf 'deb [%sarch=amd64] %s %s-security main\n' \
        "$signed" "$security" "$suite" >>"$home/sources.list"
      ;;
  esac
  log=$(mktemp)
  if ! suite_apt "$suite" apt-get update -o APT::Update::Error-Mode=any >"$log" 2>&1; then
    tail -n 5 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# unpack SUITE TARGET PACKAGE...: download and unpack, install nothing.
unpack() {
  local suite=$1 target=$2 deb
  shift 2
  mkdir "$target/debs"
  (cd "$target/debs" && suite_apt "$suite" apt-get -qq download "$@") ||
    die "could not download $* from $suite; check the network and try again"
  for deb in "$target"/debs/*.deb; do
    dpkg-deb -x "$deb" "$target/root"
    # shellcheck disable=SC2016 # dpkg's own variables
    dpkg-deb -W --showformat '${Package} ${Version}\n' "$deb" >>"$target/packages"
  done
  rm -r "$target/debs"
}

# kernel_dir SERIES: print the directory with packages, release, vmlinuz,
# vmlinux (uncompressed), config and lib/modules of that kernel. Once fetched it
# stays the same until `fetch.sh --refresh`, so that results compare.
kernel_dir() {
  local dir=$LAB_CACHE/kernels-$KERNEL_LAYOUT/$1
  [[ -d $dir ]] || require_packages xz-utils lz4 zstd kmod
  build_once "$dir" fetch_kernel "$1"
  printf '%s\n' "$dir"
}

fetch_kernel() {
  local scratch=$1 series=$2 suite release package names=()
  for suite in ${SERIES_SUITES[$series]}; do
    say "fetching the lists of $suite for Linux $series"
    update_suite "$suite" || continue
    release=$(suite_apt "$suite" apt-cache pkgnames "linux-image-$series." |
      sed -n "s/^linux-image-\($series\.[0-9.]*\([-+][0-9a-z.]*\)\?-amd64\)$/\1/p" | sort -V | tail -n 1)
    [[ -z $release ]] || break
  done
  [[ -n ${release:-} ]] ||
    die "no linux-image-$series package in ${SERIES_SUITES[$series]}; a newer suite may carry it: add it to SERIES_SUITES in kernels.sh"
  # Since 7.x an image is split in packages of their own.
  for package in linux-{image,base,binary,modules}-"$release"; do
    if suite_apt "$suite" apt-cache pkgnames "$package" | grep -Fx "$package" >/dev/null; then names+=("$package"); fi
  done
  say "fetching ${names[*]} from $suite"
  unpack "$suite" "$scratch" "${names[@]}"
  arrange_kernel "$scratch" "$release"
}

arrange_kernel() {
  local scratch=$1 release=$2 root=$1/root boot modules
  boot=$(find "$root" -type f -name "vmlinuz*" -print -quit)
  modules=$(find "$root" -type d -path "*/lib/modules/$release" -print -quit)
  [[ -n $boot && -n $modules ]] ||
    die "the packages of $release hold no vmlinuz or no modules; Debian's layout changed: see arrange_kernel in kernels.sh"
  printf '%s\n' "$release" >"$scratch/release"
  cp "$boot" "$scratch/vmlinuz"
  extract_vmlinux "$scratch/vmlinuz" >"$scratch/vmlinux"
  find "$root" -type f \( -name "config-$release" -o -path "*/$release/config" \) -exec cp {} "$scratch/config" \;
  mkdir -p "$scratch/lib/modules"
  mv "$modules" "$scratch/lib/modules/$release"
  rm -rf "$root"
  depmod -b "$scratch" "$release"
}

# extract_vmlinux BZIMAGE: its header (Documentation/arch/x86/boot.rst) says where
# the payload is: setup_sects at 0x1f1, payload_offset and _length at 0x248. All
# compressors but gzip have the kernel build append the size, 4 bytes.
extract_vmlinux() {
  local image=$1 setup offset length magic
  setup=$(od -An -tu1 -j $((0x1f1)) -N1 "$image")
  read -r offset length < <(od -An -tu4 -j $((0x248)) -N8 "$image")
  offset=$(((setup + 1) * 512 + offset))
  magic=$(od -An -tx1 -j "$offset" -N4 "$image" | tr -d ' ')
  payload() {
    dd if="$image" iflag=skip_bytes,count_bytes bs=1M skip="$offset" count=$((length - $1)) status=none
  }
  case $magic in
    1f8b*) payload 0 | gzip -dc ;;
    fd377a58) payload 4 | xz -dc ;;
    02214c18) payload 4 | lz4 -dc ;;
    28b52ffd) payload 4 | zstd -dc ;;
    *) die "kernel payload of unknown compression (magic $magic); teach extract_vmlinux in kernels.sh" ;;
  esac
}

# qemu_dir: print the directory with QEMU 10's usr/.
qemu_dir() {
  local dir=$LAB_CACHE/qemu/$QEMU_SUITE
  build_once "$dir" fetch_qemu
  # shellcheck disable=SC2046 # a list of words
  require_packages $(<"$dir/libraries")
  printf '%s\n' "$dir"
}

fetch_qemu() {
  local scratch=$1
  say "fetching QEMU from $QEMU_SUITE"
  update_suite "$QEMU_SUITE" || die "no suite $QEMU_SUITE on the machine's mirror; the lab needs QEMU 10"
  unpack "$QEMU_SUITE" "$scratch" qemu-system-x86 qemu-system-common qemu-system-data
  # It runs on the machine's own libraries: note which packages hold them.
  suite_apt "$QEMU_SUITE" apt-cache --no-all-versions show qemu-system-x86 |
    sed -n 's/^Depends: //p' | tr ',' '\n' | sed 's/^ *//; s/ .*//' |
    grep -vE '^(qemu-|seabios|ipxe)' >"$scratch/libraries"
  mv "$scratch/root/usr" "$scratch/usr"
  rm -rf "$scratch/root"
}

# prometheus_dir: print the directory with the usr/ of Debian's newest Prometheus and promtool, which need
# nothing but libc.
prometheus_dir() {
  local dir=$LAB_CACHE/prometheus/sid
  build_once "$dir" fetch_prometheus
  printf '%s\n' "$dir"
}

fetch_prometheus() {
  local scratch=$1
  say "fetching Prometheus from sid"
  update_suite sid || die "no suite sid on the machine's mirror; its Prometheus is newer than this system's"
  unpack sid "$scratch" prometheus promtool
  mv "$scratch/root/usr" "$scratch/usr"
  rm -rf "$scratch/root"
}
