"""How every test says what holds: lines of ok, FAILED and SKIPPED, and the exit status."""

import sys

# Functions that print what helps to understand a failure, such as the log of an exporter.
on_failure = []


class Verdict:
    """Prints ok and FAILED lines; ends the test with the right status."""

    def __init__(self):
        self.failures = 0

    def check(self, holds, what):
        print(f"{'ok' if holds else 'FAILED'}: {what}", flush=True)
        self.failures += not holds
        return holds

    def end(self):
        for show in on_failure if self.failures else ():
            show()
        print(f"{self.failures} failed", flush=True)
        sys.exit(1 if self.failures else 0)


def skip(why):
    print(f"SKIPPED: {why}", flush=True)
    sys.exit(77)
