"""Guests to watch: kvmx-guest processes."""

import atexit
import json
import signal
import subprocess


class Guests:
    """kvmx-guest processes; none outlives the test."""

    def __init__(self, binary):
        self.binary = binary
        self.running = []
        atexit.register(self.stop)

    def start(self, name, *options):
        process = subprocess.Popen([self.binary, "--qemu-name", name, *map(str, options)],
                                   stdout=subprocess.DEVNULL)
        self.running.append(process)
        return process

    def hold(self, name, *options):
        """With --hold-before: a guest that is ready; go_on() lets it run, and end."""
        process = subprocess.Popen([self.binary, "--qemu-name", name, *map(str, options)],
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.running.append(process)
        process.stdout.readline()
        return process

    @staticmethod
    def go_on(process):
        process.stdin.write("\n")
        process.stdin.flush()

    def work(self, process):
        """Lets a held guest run; its report, with --hold-after while its VMs are still there."""
        self.go_on(process)
        return json.loads(process.stdout.readline())

    def run(self, name, *options, timeout=120):
        subprocess.run([self.binary, "--qemu-name", name, *map(str, options)], check=True,
                       stdout=subprocess.DEVNULL, timeout=timeout)

    def stop(self):
        for process in self.running:
            if process.poll() is None:
                process.terminate()
                process.send_signal(signal.SIGCONT)  # it may be stopped
            process.wait(30)
        self.running = []
