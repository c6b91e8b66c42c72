#!/usr/bin/env bash
# linux_guest.sh EXPORTER: real Linux guests under the exporter, one of them booted with nohz=off
#
# In an emulated AMD host, Linux 6.1, both guests boot the same stock Debian kernel; what is then
# checked is in linux_guest.py. By --icount: with the machine's clock, a guest whose emulator waits
# for a CPU would look busy, and its ticks would come late.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exporter=$(realpath "$1")
# shellcheck source=../lab/lib.sh
. "$here/../lab/lib.sh"
# shellcheck source=../lab/kernels.sh
. "$LAB_DIR/kernels.sh"

exec "$LAB_DIR/amd.sh" --kernel 6.1 --mem 2000 --icount --timeout 1150 -- \
  env PYTHONDONTWRITEBYTECODE=1 python3 "$here/linux_guest.py" "$exporter" \
  "$(qemu_dir)" "$(kernel_dir 6.1)"
