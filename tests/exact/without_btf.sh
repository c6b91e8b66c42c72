#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# without_btf.sh COMMAND...: runs a command that finds no BTF, as on a kernel without CONFIG_DEBUG_INFO_BTF
#
# In a mount namespace of its own. The kernel has its types still, but libbpf and the exporter look
# for them in files. What tells of events instead is mounted, if it is not.
set -eu
[ -n "${KVMX_WITHOUT_BTF:-}" ] || KVMX_WITHOUT_BTF=1 exec unshare --mount -- "$0" "$@"
mount -t tmpfs none /sys/kernel/btf
[ -e /sys/kernel/tracing/events ] || mount -t tracefs none /sys/kernel/tracing
exec "$@"
