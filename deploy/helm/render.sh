#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# render.sh: plain manifests from the chart, for who does not use Helm
#
# usage: deploy/helm/render.sh [HELM OPTION...] >kvm-exit-exporter.yaml
#
# Without options: what is in deploy/kubernetes/kvm-exit-exporter.yaml. All there is, for example:
#   deploy/helm/render.sh --set podMonitor.enabled=true,prometheusRule.enabled=true \
#     --set dashboards.enabled=true,pins.enabled=true --set image.repository=registry.internal/kvm
# $HELM is the program, helm by default.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
cat <<'END'
# SPDX-License-Identifier: Apache-2.0
# Made from the chart by deploy/helm/render.sh: change that. Set the image to yours, then
# kubectl apply -f kvm-exit-exporter.yaml
apiVersion: v1
kind: Namespace
metadata:
  name: kvm-exit-exporter
  labels:
    pod-security.kubernetes.io/enforce: privileged
END
"${HELM:-helm}" template kvm-exit-exporter kvm-exit-exporter --namespace kvm-exit-exporter "$@" \
  2> >(grep -v 'found symbolic link' >&2) |
  sed -e '/^ *# Source: /d' -e '/^ *helm.sh\/chart: /d' -e '/^ *# SPDX-License-Identifier: /d' \
    -e 's/managed-by: Helm/managed-by: kubectl/'
