#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns dashboards into TypeScript, for tsc to compare with Grafana's own schema.

    typed.py DASHBOARD.json... > dashboards.ts

The schema leaves a panel's options open, so those are compared with the panel's own types. Grafana
fills in what is left out; enumerations are written as the strings that they are in JSON.
"""

import json
import sys
from pathlib import Path

# panel type -> name of its types in @grafana/schema
PANELS = {"bargauge": "BarGauge", "stat": "Stat", "table": "Table", "text": "Text",
          "timeseries": "TimeSeries"}

HEAD = """\
import type { Dashboard, GraphFieldConfig, TableFieldOptions } from '@grafana/schema';
%s
type Json<T> = T extends string ? `${T}` : T extends (infer U)[] ? Json<U>[]
  : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
type Some<T> = T extends (infer U)[] ? Some<U>[]
  : T extends object ? { [K in keyof T]?: Some<T[K]> } : T;
"""
IMPORT = ("import type {{ Options as {1} }} from '@grafana/schema/dist/esm/raw/composable/{0}/panelcfg"
          "/x/{1}PanelCfg_types.gen';")
CUSTOM = {"timeseries": "GraphFieldConfig", "table": "TableFieldOptions"}


# What tsc must complain of: otherwise it compares nothing.
WRONG = [
    ("Json<Dashboard>", {"schemaVersion": 39, "timezones": "utc"}),
    ("Json<Dashboard>", {"schemaVersion": 39, "graphTooltip": 7}),
    ("Some<Json<Stat>>", {"graphMode": "line and area"}),
    ("Some<Json<GraphFieldConfig>>", {"drawStyle": "lines"}),
    ("Some<Json<TableFieldOptions>>", {"minWidth": "70"}),
]


def satisfies(value, kind):
    print(f"({json.dumps(value, indent=1)}) satisfies {kind};")


# What Grafana's data source for Prometheus reads of an annotation, beside the schema.
OF_PROMETHEUS = {"titleFormat", "textFormat", "useValueForTime", "expr", "interval"}


def plainly(mark):
    return {k: plainly(v) if k == "target" else v for k, v in mark.items() if k not in OF_PROMETHEUS}


def in_schema(dashboard):
    plain = [plainly(mark) for mark in dashboard["annotations"]["list"]]
    return dashboard | {"annotations": {"list": plain}}


def main():
    print(HEAD % "\n".join(IMPORT.format(*panel) for panel in PANELS.items()))
    for kind, value in WRONG:
        print(f"// @ts-expect-error\n({json.dumps(value)}) satisfies {kind};")
    for name in sys.argv[1:]:
        dashboard = json.loads(Path(name).read_text(encoding="utf-8"))
        satisfies(in_schema(dashboard), "Json<Dashboard>")
        for panel in dashboard["panels"]:
            kind = panel["type"]
            if kind in PANELS:
                satisfies(panel["options"], f"Some<Json<{PANELS[kind]}>>")
            if kind in CUSTOM:
                satisfies(panel["fieldConfig"]["defaults"]["custom"], f"Some<Json<{CUSTOM[kind]}>>")


main()
