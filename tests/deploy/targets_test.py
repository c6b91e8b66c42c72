#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""targets_test.py: the playbook that makes targets of an inventory, and what Prometheus and vmagent make of them"""

import json
import pathlib
import subprocess
import sys
import tempfile

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/lib"))
from verdict import Verdict  # noqa: E402

INVENTORY = """\
[kvm]
kvm-02 ansible_host=192.0.2.2 zone=b
kvm-01
[others]
web-01
"""
WANTED = {"kvm-01:10177": ("kvm-01", None), "192.0.2.2:10177": ("kvm-02", "b")}


def main():
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as temporary:
        directory = pathlib.Path(temporary)
        (directory / "inventory").write_text(INVENTORY)
        subprocess.run(["ansible-playbook", "-i", directory / "inventory", ROOT / "deploy/ansible/targets.yml",
                        "-e", f"directory={directory}", "-e", "of=kvm"], check=True, env={
                            "HOME": temporary, "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
        listed = json.loads((directory / "kvm-inventory.json").read_text())
        found = {t["targets"][0]: (t["labels"]["node"], t["labels"].get("zone")) for t in listed}
        verdict.check(found == WANTED, f"each host of the group is a target: {found}")
        for source, program in (("prometheus/scrape-file-sd.yml", "promtool"), ("fleet/vmagent.yml", "vmagent")):
            config = yaml.safe_load((ROOT / "deploy" / source).read_text())
            config.pop("rule_files", None)
            [job] = config["scrape_configs"]
            job["file_sd_configs"] = [{"files": [f"{directory}/kvm-*.json"]}]
            file = directory / f"{program}.yml"
            file.write_text(yaml.safe_dump(config))
            if program == "vmagent":
                run = subprocess.run(["vmagent", f"-promscrape.config={file}", "-promscrape.config.dryRun"],
                                     capture_output=True, text=True)
                verdict.check(run.returncode == 0, f"vmagent reads {source} {run.stderr[-300:] if run.returncode else ''}")
                continue
            run = subprocess.run(["promtool", "check", "service-discovery", file, "kvm-exit-exporter"],
                                 capture_output=True, text=True)
            targets = json.loads(run.stdout)
            nodes = {(t["labels"]["__address__"], t["labels"]["node"]) for t in targets}
            verdict.check(nodes == {(a, n) for a, (n, _) in WANTED.items()}, f"Prometheus' targets: {sorted(nodes)}")
    verdict.end()


main()
