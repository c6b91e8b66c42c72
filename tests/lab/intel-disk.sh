# shellcheck shell=bash
# The boot disk of the emulated Intel host: loader.S, what the kernel wants to be
# told, an uncompressed kernel, an initramfs. Sourced after lib.sh.

# Addresses that loader.S knows too.
BOOT_PARAMS=$((0x8000))
COMMAND_LINE=$((BOOT_PARAMS + 4096))
KERNEL_ADDRESS=$((0x1000000)) # where every x86_64 vmlinux is linked to run
INITRD_ADDRESS=$((0x8000000)) # above the kernel with its .bss

# pack_kernel SCRATCH KERNEL_DIR: the kernel as it lies in memory, its entry, and
# the assembled loader.
pack_kernel() {
  local scratch=$1 kernel=$2
  require_packages binutils
  objcopy -O binary "$kernel/vmlinux" "$scratch/kernel"
  pad_sectors "$scratch/kernel"
  readelf -h "$kernel/vmlinux" | sed -n 's/.*Entry point address: *//p' >"$scratch/entry"
  as --64 -o "$scratch/loader.o" "$LAB_DIR/loader.S"
  ld -Ttext 0x7c00 --oformat binary -o "$scratch/loader" "$scratch/loader.o"
  rm "$scratch/loader.o"
}

pad_sectors() { truncate -s %512 "$1"; }

sectors() { echo $(($(stat -c %s "$1") / 512)); }

# le32 NUMBER...: each as four bytes, the lowest first.
le32() {
  local number
  for number in "$@"; do
    printf '%b' "$(printf '\\x%02x\\x%02x\\x%02x\\x%02x' $((number & 255)) \
      $((number >> 8 & 255)) $((number >> 16 & 255)) $((number >> 24 & 255)))"
  done
}

# write_disk DISK KERNEL_DIR BOOT INITRD ARGUMENTS
write_disk() {
  local disk=$1 kernel=$2 boot=$3 initrd=$4 arguments=$5 header first
  ((${#arguments} < 2048)) || die "the kernel's arguments are too long; shorten --append"
  cp "$boot/loader" "$disk"
  truncate -s $(((2 + 8 + 8) * 512)) "$disk"
  put() { dd of="$disk" bs=64k oflag=seek_bytes seek="$1" conv=notrunc status=none; }

  # boot_params, the second KiB on: the setup header of the kernel's own vmlinuz ...
  header=$((0x11 + $(od -An -tu1 -j $((0x201)) -N1 "$kernel/vmlinuz")))
  dd if="$kernel/vmlinuz" bs=64k iflag=skip_bytes,count_bytes skip=$((0x1f1)) count="$header" status=none |
    put $((1024 + 0x1f1))
  printf '\xff' | put $((1024 + 0x210)) # a loader without a number
  le32 $INITRD_ADDRESS "$(stat -c %s "$initrd")" | put $((1024 + 0x218))
  le32 $COMMAND_LINE | put $((1024 + 0x228))
  # ... and the loader's table.
  first=$(sectors "$disk")
  le32 "$first" "$(sectors "$boot/kernel")" $KERNEL_ADDRESS \
    $((first + $(sectors "$boot/kernel"))) "$(sectors "$initrd")" $INITRD_ADDRESS \
    "$(<"$boot/entry")" | put $((1024 + 0xef0))
  printf '%s' "$arguments" | put $((1024 + 4096))
  cat "$boot/kernel" "$initrd" >>"$disk"
}
