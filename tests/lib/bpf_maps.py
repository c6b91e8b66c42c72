"""What is in the BPF maps of the exporter, by bpftool."""

import json
import subprocess


def map_entries(name):
    """Those of a BPF map: [{"key": [hexadecimal bytes], ...}]."""
    dump = subprocess.run(["bpftool", "--json", "map", "dump", "name", name],
                          stdout=subprocess.PIPE, check=True).stdout
    return json.loads(dump)
