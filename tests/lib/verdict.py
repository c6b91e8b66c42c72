"""How every test says what holds: lines of ok, FAILED and SKIPPED, and the exit status."""

import sys


class Verdict:
    """Prints ok and FAILED lines; ends the test with the right status."""

    def __init__(self):
        self.failures = 0

    def check(self, holds, what):
        print(f"{'ok' if holds else 'FAILED'}: {what}", flush=True)
        self.failures += not holds
        return holds

    def end(self):
        print(f"{self.failures} failed", flush=True)
        sys.exit(1 if self.failures else 0)


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(77)
