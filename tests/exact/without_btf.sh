#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# without_btf.sh COMMAND...: runs a command that finds no BTF, as on a kernel without CONFIG_DEBUG_INFO_BTF
#
# In a mount namespace of its own. The kernel has its types still, but libbpf and the exporter look
# for them in files.
set -eu
[ -n "${KVMX_WITHOUT_BTF:-}" ] || KVMX_WITHOUT_BTF=1 exec unshare --mount -- "$0" "$@"
mount -t tmpfs none /sys/kernel/btf
exec "$@"
