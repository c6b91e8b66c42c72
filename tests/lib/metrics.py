"""A strict reader of the text exposition format, for tests."""

import re
from typing import NamedTuple

LINE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
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


def parse_metrics(text):
    """[Sample]; raises on a malformed line or a series that is there twice."""
    samples, seen = [], set()
    for line in text.split("\n"):  # names may hold what splitlines() takes for the end of one
        if not line or line.startswith("#"):
            continue
        found = LINE.match(line)
        if not found:
            raise ValueError(f"not a sample: {line!r}")
        sample = Sample(found[1], parse_labels(found[2] or ""), float(found[3]))
        series = (sample.name, tuple(sorted(sample.labels.items())))
        if series in seen:
            raise ValueError(f"twice: {line!r}")
        seen.add(series)
        samples.append(sample)
    return samples
