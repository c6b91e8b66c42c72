"""histogram_forms_test.py SIMULATOR: the alert on slow exits reads a histogram in any of its forms.

One Prometheus, from version 3 on, scrapes one host's page three times: as text with classic buckets, as
protobuf with native histograms, and as text of which it makes native ones. What KvmExitHandlingSlow looks
at must be there for the same guests, and nearly the same: bounds are a factor of two apart, and the
three do not scrape at the same moment.
"""

import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict  # noqa: E402

RULES = pathlib.Path(__file__).resolve().parents[2] / "deploy/prometheus/rules/kvm-alerts-hosts.yml"
PAGES, SERVER = "127.0.0.1:10242", "127.0.0.1:10243"
FORMS = {
    "classic": "scrape_protocols: [PrometheusText0.0.4]",
    "native": "scrape_protocols: [PrometheusProto]",
    "converted": "scrape_protocols: [PrometheusText0.0.4], convert_classic_histograms_to_nhcb: true",
}
JOB = "  - {{job_name: {name}, metrics_path: /host/0000/metrics, {form}, static_configs: [{{targets: ['{PAGES}']}}]}}"
SECONDS = 40


def quantiles_expression():
    """The alert's, of 20 s in place of 10 minutes, without its threshold."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    expr, = (rule["expr"] for group in groups for rule in group["rules"]
             if rule.get("alert") == "KvmExitHandlingSlow")
    inner = re.search(r"count without \(vm\) \(\s*(\(.*\)) > 0\.001", expr, re.S)
    assert inner, f"the alert has another form now: {expr}"
    return inner[1].replace("[10m]", "[20s]")


def query(expression):
    url = f"http://{SERVER}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)["data"]["result"]


def quantiles(expression):
    """Form -> guest -> the slowest hundredth's time."""
    found = {form: {} for form in FORMS}
    for sample in query(expression):
        found[sample["metric"]["job"]][sample["metric"]["vm"]] = float(sample["value"][1])
    return found


def main():
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-forms-"))
    jobs = [JOB.format(name=name, form=form, PAGES=PAGES) for name, form in FORMS.items()]
    (directory / "prometheus.yml").write_text(
        "global: {scrape_interval: 2s}\nscrape_configs:\n" + "\n".join(jobs) + "\n")
    simulator = subprocess.Popen([sys.argv[1], "--hosts=1", f"--listen={PAGES}"])
    with (directory / "log").open("w") as log:
        server = subprocess.Popen(
            ["prometheus", f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
             f"--web.listen-address={SERVER}", "--enable-feature=native-histograms"], stdout=log, stderr=log)
    verdict = Verdict()
    try:
        expression, found = quantiles_expression(), {}
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            time.sleep(1)
            try:
                found = quantiles(expression)
            except OSError:
                continue
            if all(found.values()) and len({frozenset(guests) for guests in found.values()}) == 1:
                break
        guests = found.get("classic", {})
        verdict.check(len(guests) > 10, f"{len(guests)} guests have a time by classic buckets")
        for form in ("native", "converted"):
            other = found.get(form, {})
            verdict.check(other.keys() == guests.keys(), f"the same {len(other)} guests by {form} ones")
            ratios = [other[vm] / guests[vm] for vm in guests if vm in other]
            verdict.check(ratios and 0.25 <= min(ratios) and max(ratios) <= 4,
                          f"their times are {min(ratios, default=0):.2f} to {max(ratios, default=0):.2f} of those")
        bucketed = {sample["metric"]["job"] for sample in query('count by (job) ({__name__=~"kvm_.*_bucket"})')}
        verdict.check(bucketed == {"classic"}, f"classic buckets are kept of {bucketed}")
    finally:
        for process in (server, simulator):
            process.terminate()
            process.wait()
        print((directory / "log").read_text()[-2000:] if verdict.failures else "", end="")
        shutil.rmtree(directory)
    verdict.end()


main()
