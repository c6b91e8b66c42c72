"""How every test says what holds: lines of ok, FAILED and SKIPPED, and the exit status."""

import os
import sys

SKIPPED = 77
# Functions that print what helps to understand a failure, such as the log of an exporter.
on_failure = []


class Verdict:
    """Prints ok and FAILED lines; ends the test with the right status."""

    def __init__(self):
        self.failures = 0
        self.left_out = 0

    def check(self, holds, what):
        print(f"{'ok' if holds else 'FAILED'}: {what}", flush=True)
        self.failures += not holds
        return holds

    def leave_out(self, why):
        """Of a test whose other checks are made all the same; if they hold, it counts as skipped."""
        print(f"SKIPPED: {why}", flush=True)
        self.left_out += 1

    def end(self):
        for show in on_failure if self.failures else ():
            show()
        print(f"{self.failures} failed", flush=True)
        sys.exit(1 if self.failures else SKIPPED if self.left_out else 0)


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(SKIPPED)


def has_kvm():
    return os.access("/dev/kvm", os.W_OK)


def need_kvm():
    if not has_kvm():
        skip("there is no /dev/kvm that we may use")
