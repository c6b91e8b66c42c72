#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the dashboards that Grafana reads: generate.py [DIRECTORY]"""

import json
import sys
from pathlib import Path

import fleet
import guest
import host
import timer_storm


def main():
    directory = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1])
    for source in (fleet, host, guest, timer_storm):
        made = source.dashboard()
        document = json.dumps(made, indent=1, ensure_ascii=False)
        (directory / f"{made['uid']}.json").write_text(document + "\n", encoding="utf-8")


main()
