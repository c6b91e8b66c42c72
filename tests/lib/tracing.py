"""The kernel's own tracing, as a witness beside the exporter."""

import atexit
import pathlib
import re
import subprocess

TRACEFS = pathlib.Path("/sys/kernel/tracing")


def mount_tracefs():
    """False where it cannot be mounted."""
    return (TRACEFS / "events").is_dir() or subprocess.run(
        ["mount", "-t", "tracefs", "tracefs", TRACEFS], check=False).returncode == 0


class Witness:
    """Counts events in a tracing instance of its own, by histograms of the kernel, until the test ends."""

    def __init__(self, name, *events):
        self.directory = TRACEFS / "instances" / name
        self.events = events
        self.directory.mkdir()
        atexit.register(self.remove)
        for event in events:
            self.file(event, "trigger").write_text("hist:keys=common_pid:size=4096")

    def file(self, event, name):
        return self.directory / "events" / "kvm" / event / name

    def count(self, event):
        return int(re.search(r"Hits: (\d+)", self.file(event, "hist").read_text())[1])

    def remove(self):
        for event in self.events:
            self.file(event, "trigger").write_text("!hist:keys=common_pid:size=4096")
        self.directory.rmdir()
