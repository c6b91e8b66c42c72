# SPDX-License-Identifier: Apache-2.0
"""render.py OUT_DIR: see ../render.sh, which calls it.

A picture fails if the page throws an error, or if other panels are without data than are said to be.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import fleet
import history

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
DASHBOARDS = ROOT / "dashboards"
RULES = ROOT / "deploy/prometheus/rules"
SOURCES = ("package.json", "package-lock.json", "page.jsx", "queries.js", "draw.mjs")
WIDTH = 1600

# Nothing has a vCPU there: exporter with --metrics.per-vcpu=none.
NO_VCPUS = ["Each vCPU", "Timer programmings, by vCPU", "Wake-ups, by vCPU"]
# picture, dashboard, variables that are not All, panels without data.
VIEWS = [
    ("fleet", "kvm-fleet", {}, []),
    ("host", "kvm-host", {"instance": "kvm-01:10177"}, ["Old timers"]),
    ("guest", "kvm-guest", {"instance": "kvm-01:10177", "vm": "ci-runner"}, []),
    ("timer-storm", "kvm-timer-storm", {"instance": "kvm-01:10177"}, []),
    ("guest-amd", "kvm-guest", {"instance": "kvm-03:10177", "vm": "analytics"}, ["What the exporter finds"]),
    ("guest-without-vcpus", "kvm-guest", {"instance": "kvm-04:10177", "vm": "edge-1"},
     [*NO_VCPUS, "What the exporter finds"]),
    ("guests-all", "kvm-guest", {}, []),
    ("host-amd", "kvm-host", {"instance": "kvm-03:10177"},
     ["Busy guests without the VMX preemption timer", "Old timers", "Wake-ups of each CPU by idle ticks"]),
    ("timer-storm-one", "kvm-timer-storm", {"instance": "kvm-01:10177", "vm": "ci-runner"}, []),
    ("timer-storm-all", "kvm-timer-storm", {}, []),
]
# Those that dashboards/README.md has, in files of less than 150 KB: one of them only down to here.
SHOWN = ("fleet", "host", "guest", "timer-storm")
UPPER = {"host": 1300}


def content_of(files):
    digest = hashlib.sha256()
    for file in sorted(files):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def once(mark, content, make):
    """Calls `make` unless `mark` says that it has been, with the same content."""
    if not mark.exists() or mark.read_text() != content:
        mark.unlink(missing_ok=True)
        make()
        mark.write_text(content)


def install(page):
    for name in SOURCES:
        shutil.copy(HERE / name, page)
    print("npm ci: 700 MB the first time", flush=True)
    once(page / "installed", content_of([HERE / "package-lock.json"]), lambda: subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund",
         "--prefer-offline"], cwd=page, check=True))


def make_history(directory):
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    history.make(directory / "data", RULES)


def job(out, url, view, mode):
    name, uid, chosen, empty = view
    everything = {"job": ".+", "instance": ".+", "vm": ".+"}
    return {
        "file": str(out / f"{name}-{mode}.png"),
        "dashboard": json.loads((DASHBOARDS / f"{uid}.json").read_text(encoding="utf-8")),
        "url": url, "variables": everything | chosen, "from": fleet.END - 3600, "to": fleet.END,
        "dark": mode == "dark", "width": WIDTH, "empty": empty,
        "upper": {"file": str(out / f"{name}-{mode}-upper.png"), "height": UPPER[name]}
        if name in UPPER else None,
    }


def keep(out):
    """The pictures of dashboards/README.md, small, and which dashboards they are of."""
    pictures = DASHBOARDS / "pictures"
    for name in SHOWN:
        for mode in ("dark", "light"):
            part = "-upper" if name in UPPER else ""
            subprocess.run(["pngquant", "--force", "--strip", "--speed=1", "32",
                            f"--output={pictures / f'{name}-{mode}.png'}",
                            out / f"{name}-{mode}{part}.png"], check=True)
    sums = [f"{content_of([file])}  {file.name}\n" for file in sorted(DASHBOARDS.glob("*.json"))]
    (pictures / "drawn-from").write_text("".join(sums), encoding="utf-8")


def main():
    out = Path(sys.argv[1])
    page = out / "page"
    page.mkdir(parents=True, exist_ok=True)
    install(page)
    print("the fleet's history", flush=True)
    sources = [HERE / "fleet.py", HERE / "history.py", *RULES.glob("*.yml")]
    once(out / "history-made", content_of(sources), lambda: make_history(out / "history"))
    with history.prometheus(out / "history/data") as url:
        jobs = [job(out, url, view, mode) for view in VIEWS for mode in ("dark", "light")]
        (page / "jobs.json").write_text(json.dumps(jobs), encoding="utf-8")
        drawn = subprocess.run(["node", "draw.mjs", "jobs.json"], cwd=page, check=False)
    if drawn.returncode == 0:
        keep(out)
        print(f"{len(jobs)} pictures in {out}; those of dashboards/README.md are replaced. Look at them.")
    sys.exit(drawn.returncode)


main()
