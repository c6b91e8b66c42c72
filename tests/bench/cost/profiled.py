#!/usr/bin/env python3
"""profiled.py EXPORTER GUEST OPTION...: runs a guest whose exits `profile` counts; prints its report."""

import os
import signal
import subprocess
import sys
import time

EVENTS = 2  # that `profile` opens


def opened(process):
    found = 0
    for name in os.listdir(f"/proc/{process.pid}/fd"):
        try:
            found += os.readlink(f"/proc/{process.pid}/fd/{name}") == "anon_inode:[perf_event]"
        except OSError:
            pass
    return found


def main():
    exporter, *guest = sys.argv[1:]
    with subprocess.Popen([*guest, "--hold-before"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as held:
        held.stdout.readline()
        profile = subprocess.Popen([exporter, "profile", str(held.pid), "--duration=1h"],
                                   stdout=subprocess.DEVNULL)
        while opened(profile) < EVENTS and profile.poll() is None:
            time.sleep(0.1)
        time.sleep(0.5)
        held.stdin.write("\n")
        held.stdin.flush()
        print(held.stdout.readline())
        ended = profile.poll()
        profile.send_signal(signal.SIGINT)
        profile.wait()
    sys.exit(0 if ended is None else 1)


main()
