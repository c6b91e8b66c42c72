#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What do the ways that write elsewhere take?  measure_writers.py SIMULATOR victoria|agent [HOSTS] [MINUTES]

The way is deploy/fleet/'s, as it is shipped, with a simulated fleet of so many hosts (50) for so many minutes (6),
of which the second half counts. Prints for each program its CPUs and memory, and the bytes that were sent on.
"""

import atexit
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lib"))
from alerting import Server, free_port  # noqa: E402
import fleet_kit  # noqa: E402

SENT = ("vmagent_remotewrite_bytes_sent_total", "prometheus_remote_storage_bytes_total",
        "vmagent_remotewrite_conn_bytes_written_total")


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def resident(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def sent(server):
    if not hasattr(server, "url"):
        return 0
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=120) as answer:
        page = answer.read().decode()
    return max(sum(float(v) for v in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", page, re.M)) for name in SENT)


def main():
    simulator, kind = sys.argv[1:3]
    hosts, minutes = ([int(word) for word in sys.argv[3:]] + [50, 6][len(sys.argv) - 3:])[:2]
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-fleet-"))
    atexit.register(shutil.rmtree, directory)
    port = free_port()
    size = [simulator, f"--hosts={hosts}", f"--listen=127.0.0.1:{port}"]
    targets = directory / "targets"
    targets.mkdir()
    listed = subprocess.run([*size, "--file-sd"], check=True, capture_output=True, text=True)
    (targets / "kvm-hosts.yml").write_text(listed.stdout)
    Server(directory, "simulator", size, f"http://127.0.0.1:{port}/-/ready")
    way = fleet_kit.Way(directory, kind)
    getattr(fleet_kit, f"start_{kind}")(way, targets)
    time.sleep(minutes * 30)
    before = {s: (cpu_of(s.process.pid), sent(s)) for s in way.servers}
    began = time.monotonic()
    time.sleep(minutes * 30)
    lasted = time.monotonic() - began
    for server, (cpu, octets) in before.items():
        print(f"{server.name}: {(cpu_of(server.process.pid) - cpu) / lasted:.3f} CPUs, "
              f"{resident(server.process.pid) / 1e6:.0f} MB, {(sent(server) - octets) / lasted / 1e3:.0f} kB/s sent",
              flush=True)
    for server in reversed(way.servers):
        server.stop()


main()
