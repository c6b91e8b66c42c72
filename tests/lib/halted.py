"""What share of the time a vCPU was halted, by scrapes."""

# The reader calls no sleep one that is shorter (slot_reader.cc), so a window may begin with so
# much sleep that is exported only later.
NOT_SHOWN_YET = 0.010


def fraction_bounds(first, last, seconds):
    """What share of the time between two scrapes `seconds` are: at least, at most."""
    return seconds / (last.end - first.start), seconds / (last.start - first.end)


def check_halted(verdict, what, scrapes, seconds_of, window, low=0.9, not_shown=NOT_SHOWN_YET):
    """Over every window of at least so many seconds, a vCPU was halted for `low` to all of it.

    A window may begin with up to `not_shown` seconds of sleep that is exported only later. Fails where
    no moment of the snapshots within their requests makes it so.
    """
    lowest, highest, windows = 9.0, 0.0, 0
    for i, first in enumerate(scrapes):
        for last in scrapes[i + 1:]:
            if last.start - first.end < window:
                continue
            windows += 1
            halted = seconds_of(last) - seconds_of(first)
            highest = max(highest, fraction_bounds(first, last, halted - not_shown)[0])
            lowest = min(lowest, fraction_bounds(first, last, halted)[1])
    verdict.check(windows > 0 and lowest >= low and highest <= 1.0,
                  f"{what}: halted {lowest:.4f} to {highest:.4f} of the time over"
                  f" {windows} windows of {window} s and more")
