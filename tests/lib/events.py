"""The kernel's events that are counted, in the exporter's order: event -> its collector."""

import pathlib

_FILE = pathlib.Path(__file__).with_name("events.txt")
COLLECTORS = dict(line.split() for line in _FILE.read_text().splitlines()
                  if line and not line.startswith("#"))
