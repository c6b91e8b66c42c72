#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# newer_prometheus.sh COMMAND...: runs it where `prometheus` and `promtool` are Debian's newest
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=../lab/lib.sh
. "$here/../lab/lib.sh"
# shellcheck source=../lab/kernels.sh
. "$here/../lab/kernels.sh"
newer=$(prometheus_dir)
export PATH="$newer/usr/bin:$PATH"
prometheus --version | sed -n 1p
exec "$@"
