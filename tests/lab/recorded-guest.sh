#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# recorded-guest.sh [OPTION...]: kvmx-guest, its start noted for a control run (scenarios.py)
read -r uptime _ </proc/uptime
line=$uptime
for word in "$@"; do
  case $word in
    *[!A-Za-z0-9./@%:,=_-]* | '') line="$line '$(printf '%s' "$word" | tr '\n' ' ' | sed "s/'/'\\\\''/g")'" ;;
    *) line="$line $word" ;;
  esac
done
printf '%s\n' "$line" >>"$KVMX_GUEST_LOG"
exec "$KVMX_GUEST" "$@"
