# shellcheck shell=bash
# Builds the initramfs of an emulated host. Sourced after lib.sh and kernels.sh.

BUSYBOX=/bin/busybox

# boot_dir HOST SERIES KERNEL_DIR: print the directory with the host's initramfs,
# cached under the content of all that goes in.
boot_dir() {
  local host=$1 series=$2 kernel=$3 key dir
  require_packages busybox-static cpio kmod xz-utils zstd
  key=$(cat "$BUSYBOX" "$kernel"/{packages,release} \
    "$LAB_DIR"/{initramfs.sh,intel-disk.sh,loader.S,host.sh,"$host-init.sh"} | sha256sum)
  dir=$LAB_CACHE/boot/$host-$series-${key:0:16}
  build_once "$dir" pack_boot "$host" "$kernel"
  printf '%s\n' "$dir"
}

pack_boot() {
  local scratch=$1 host=$2 kernel=$3 tree=$1/tree
  mkdir -p "$tree"/{bin,dev,proc,sys,modules}
  cp "$BUSYBOX" "$tree/bin/busybox"
  "$BUSYBOX" --list | grep -vFx busybox | while read -r applet; do
    ln -s busybox "$tree/bin/$applet"
  done
  cp "$LAB_DIR/host.sh" "$tree/host.sh"
  cp "$LAB_DIR/$host-init.sh" "$tree/init"
  chmod 755 "$tree/init"
  case $host in
    amd)
      add_modules "$tree" "$kernel" boot virtio_pci 9pnet_virtio 9p overlay virtio_console
      add_modules "$tree" "$kernel" net virtio_net
      add_modules "$tree" "$kernel" kvm kvm_amd
      ;;
    intel)
      add_modules "$tree" "$kernel" disk ata_piix sd_mod
      add_modules "$tree" "$kernel" kvm kvm_intel
      mkdir "$tree/boot"
      cp "$kernel/config" "$tree/boot/config-$(<"$kernel/release")"
      pack_kernel "$scratch" "$kernel"
      ;;
  esac
  pack_tree "$tree" >"$scratch/initramfs"
  rm -rf "$tree"
  # Those of other checkouts and of older scripts.
  find "$LAB_CACHE/boot" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} + 2>/dev/null || true
}

# pack_tree DIR: the newc archive the kernel unpacks. Left uncompressed: emulated,
# decompression costs more than the copy it saves.
pack_tree() {
  (cd "$1" && find . -mindepth 1 -print0 | LC_ALL=C sort -z | cpio --quiet -0 -o -H newc -R 0:0)
}

# add_modules TREE KERNEL_DIR LIST MODULE...: put the modules and what they need,
# uncompressed, in TREE/modules, in the order of loading in TREE/modules/LIST.
# Without their signatures: checking those takes longer than all else about loading.
add_modules() {
  local tree=$1 kernel=$2 list=$3 module path name
  shift 3
  for module in "$@"; do
    modprobe -d "$kernel" -S "$(<"$kernel/release")" --show-depends "$module" ||
      die "module $module is not in the kernel of $kernel; see pack_boot in initramfs.sh"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' | while read -r path; do
    name=$(basename "$path")
    name=${name%%.ko*}.ko
    case $path in
      *.ko) cp "$path" "$tree/modules/$name" ;;
      *.ko.xz) xz -dc "$path" >"$tree/modules/$name" ;;
      *.ko.zst) zstd -qdc "$path" >"$tree/modules/$name" ;;
      *) die "module of unknown compression: $path; see add_modules in initramfs.sh" ;;
    esac
    drop_signature "$tree/modules/$name"
    printf '%s\n' "$name"
  done >"$tree/modules/$list"
}

# drop_signature MODULE: what follows the ELF file is the signature, 12 bytes that
# end in its length, highest byte first, and a line that says so.
drop_signature() {
  local magic='~Module signature appended~' length
  [[ $(tail -c 28 "$1" | tr -d '\0') == "$magic" ]] || return 0
  length=$(tail -c 32 "$1" | od -An -tu1 -N4 | awk '{ print (($1 * 256 + $2) * 256 + $3) * 256 + $4 }')
  truncate -s -$((28 + 12 + length)) "$1"
}
