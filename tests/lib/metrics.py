"""A strict reader of the text exposition format, for tests."""

import functools
import re
from typing import NamedTuple

SERIES = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})?$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')
ESCAPED = {r"\"": '"', r"\\": "\\", r"\n": "\n"}


class Sample(NamedTuple):
    name: str
    labels: dict
    value: float


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        found = LABEL.match(text, at)
        if not found or found[1] in labels:
            raise ValueError(f"labels {text!r} at {at}")
        labels[found[1]] = re.sub(r'\\["\\n]', lambda m: ESCAPED[m[0]], found[2])
        at = found.end()
    return labels


@functools.lru_cache(maxsize=1 << 16)
def parse_series(text):
    """Name and labels, and what is the same of no other series. Most series of a page were on the one
    before: an emulated host spends a fourth of its time on parsing, where each is parsed anew."""
    found = SERIES.match(text)
    if not found:
        raise ValueError(f"not a series: {text!r}")
    labels = parse_labels(found[2] or "")
    return found[1], labels, (found[1], tuple(sorted(labels.items())))


def page_lines(text):
    """Its lines. A name may hold what splitlines() takes for the end of one."""
    return text.removesuffix("\n").split("\n")


def parse_metrics(text):
    """[Sample]; raises on a malformed line or a series that is there twice."""
    samples, seen = [], set()
    for line in page_lines(text):
        if not line or line.startswith("#"):
            continue
        name, labels, series = parse_series(line[:(space := line.rfind(" "))])
        if series in seen:
            raise ValueError(f"twice: {line!r}")
        seen.add(series)
        samples.append(Sample(name, labels, float(line[space + 1:])))
    return samples
