#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Are the sample configurations valid, and do their targets get the labels they promise?

    check_samples.py deploy/prometheus

Debian's Prometheus is built without Kubernetes: there the discovery is exchanged for targets that
carry the labels it would have found, and the relabelling is run on those.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

JOB = "kvm-exit-exporter"


def pod(node, port, phase="Running"):
    meta = "__meta_kubernetes_pod_"
    return {
        "targets": ["10.0.0.7:10177"],
        "labels": {
            meta + "node_name": node,
            meta + "name": "kvm-exit-exporter-x7k2p",
            meta + "container_port_name": port,
            meta + "phase": phase,
        },
    }


PODS = [pod("worker-1", "metrics"), pod("worker-2", "debug"), pod("worker-3", "metrics", "Failed")]

# sample -> the labels of its targets, in order; None: dropped, or not of our job
EXPECTED = {
    "prometheus.yml": [
        {"instance": f"kvm-0{i}.example.com:10177", "node": f"kvm-0{i}.example.com"} for i in (1, 2)
    ],
    "scrape-file-sd.yml": [
        {"instance": "kvm-01.example.com:10177", "node": "kvm-01.example.com", "zone": "a"},
        {"instance": "kvm-02.example.com:10177", "node": "kvm-02.example.com", "zone": "a"},
        {"instance": "192.0.2.17:10177", "node": "kvm-03", "zone": "b"},
    ],
    "scrape-kubernetes.yml": [{"instance": "worker-1", "node": "worker-1"}, {}, {}],
    "federation.yml": None,
    "remote-write.yml": [
        {"instance": "kvm-01.example.com:10177", "node": "kvm-01.example.com", "zone": "a"},
        {"instance": "kvm-02.example.com:10177", "node": "kvm-02.example.com", "zone": "a"},
        {"instance": "192.0.2.17:10177", "node": "kvm-03", "zone": "b"},
    ],
}


def adapt(path):
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    for job in config["scrape_configs"]:
        if job.pop("kubernetes_sd_configs", None):
            job["static_configs"] = PODS
    path.write_text(yaml.safe_dump(config), encoding="utf-8")


def promtool(*arguments):
    return subprocess.run(["promtool", *arguments], capture_output=True, text=True)


def labels_of(path):
    run = promtool("check", "service-discovery", "--timeout=1s", str(path), JOB)
    targets = json.loads(run.stdout)
    return [
        {k: v for k, v in (t["labels"] or {}).items() if not k.startswith("__") and k != "job"}
        for t in targets
    ]


def in_order(targets):
    """promtool lists targets in no order of its own."""
    return sorted(targets, key=str)


def main():
    source, failed = Path(sys.argv[1]), 0
    samples = sorted(p.name for p in source.glob("*.yml"))
    if samples != sorted(EXPECTED):
        print(f"samples are {samples}, this check knows {sorted(EXPECTED)}")
        failed += 1
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / "prometheus"
        shutil.copytree(source, copy)
        for name, expected in EXPECTED.items():
            adapt(copy / name)
            run = promtool("check", "config", str(copy / name))
            if run.returncode != 0:
                print(f"{name}: {run.stdout}{run.stderr}")
                failed += 1
            elif expected is not None and in_order(got := labels_of(copy / name)) != in_order(expected):
                print(f"{name}: targets are {got}, expected {expected}")
                failed += 1
    print(f"{len(EXPECTED)} samples")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
