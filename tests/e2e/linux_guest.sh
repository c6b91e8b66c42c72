#!/usr/bin/env bash
# linux_guest.sh EXPORTER: real Linux guests under the exporter, one of them booted with nohz=off
#
# In an emulated AMD host, Linux 6.1, both guests boot the same stock Debian kernel; what is then
# checked is in linux_guest.py.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
exporter=$(realpath "$1")
# shellcheck source=../lab/lib.sh
. "$here/../lab/lib.sh"
# shellcheck source=../lab/kernels.sh
. "$LAB_DIR/kernels.sh"

# Not by --icount: a Linux guest's boot then takes ten minutes (18 million instructions a second,
# measured). So emulated time is real time, and a guest whose emulator waits for a CPU looks busy:
# ahead of others, where we may. PYTHONDONTWRITEBYTECODE: the 9p root is not ours to fill.
exec nice -n -10 "$LAB_DIR/amd.sh" --kernel 6.1 --smp 2 --mem 2000 --timeout 380 -- \
  env PYTHONDONTWRITEBYTECODE=1 python3 "$here/linux_guest.py" "$exporter" \
  "$(qemu_dir)" "$(kernel_dir 6.1)"
