#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""fleet_test.py SIMULATOR: the ways of deploy/fleet/, each as it is shipped, see the same storm

A small simulated fleet, one of whose guests storms, is scraped in four ways at once: by one Prometheus; by two
vmagents into VictoriaMetrics, with vmalert; by a Prometheus agent into a receiver; and by two Prometheus
shards, with one above them that takes their findings. Each way has an Alertmanager of its own, and of
each one page is wanted, with the labels and the text of the first. Only addresses and directories are
changed, and all times divided, as in tests/lib/alerting.py. No /dev/kvm is needed.
"""

import atexit
import json
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from alerting import Server, get, query, wait_for  # noqa: E402
from fleet_kit import (PROMETHEUS, Way, adapted, start_agent, start_prometheus, start_shards,  # noqa: E402
                       start_victoria)
from verdict import Verdict  # noqa: E402

# Times of 10 minutes are 30 s, with a scrape every second.
DIVISOR, SCRAPE = 20, "1s"
HOSTS, GUESTS, VCPUS = 6, 4, 16
PORT = 10260  # of all hosts. Shards share them by a hash of their addresses, and each is to have some.
STORM = f"vm-{HOSTS - 1:04}-{GUESTS - 1:02}"
PATIENCE = 300


def page_of(way):
    return wait_for(f"{way.name} pages", PATIENCE, lambda: way.webhooks.message("/page", "firing", STORM))


def start_simulator(program, directory):
    """Serves the fleet, each host at an address of its own. Returns the directory of targets."""
    size = [f"--hosts={HOSTS}", f"--guests={GUESTS}", f"--vcpus={VCPUS}", "--storms=1",
            *(f"--listen=127.0.0.{n}:{PORT}" for n in range(1, HOSTS + 1))]
    targets = directory / "targets"
    targets.mkdir()
    listed = subprocess.run([program, *size, "--file-sd"], check=True, capture_output=True, text=True)
    (targets / "kvm-hosts.yml").write_text(listed.stdout)
    simulator = Server(directory, "simulator", [program, *size, "--storm-after=-1"],
                       f"http://127.0.0.1:{PORT}/-/ready")
    return simulator, targets


# --- what is said ---

NUMBER = re.compile(r"\d+(?:\.\d+)?")


def without_times(text):
    """Moments and spans differ from way to way; so does the share of the window so far."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? \+0000 UTC", "MOMENT", text)
    text = re.sub(r"(?<=MOMENT, )[\dhms. ]+(?= in the last day)", "SPAN", text)
    return re.sub(r"[\d.]+% of the last ten minutes", "SHARE of the last ten minutes", text)


def same_words(one, other):
    return NUMBER.sub("#", without_times(one)) == NUMBER.sub("#", without_times(other))


def same_figures(one, other):
    """Within a twentieth: engines differ in what a rate is. Two decimals are rounded."""
    figures = zip(NUMBER.findall(without_times(one)), NUMBER.findall(without_times(other)))
    return all(abs(float(a) - float(b)) <= 0.01 + 0.05 * max(float(a), float(b)) for a, b in figures)


def storm_alert(alerts):
    [alert] = [a for a in alerts if a["labels"].get("vm") == STORM and a["labels"]["alertname"] == "KvmTimerStorm"]
    return alert


def check_page(verdict, way, first):
    alert = storm_alert(page_of(way)["alerts"])
    if first is None:
        verdict.check(alert["labels"]["alertname"] == "KvmTimerStorm", f"it is the storm: {alert['labels']}")
        verdict.check("tick at 1036 Hz" in alert["annotations"]["description"], "the page says how fast it ticks")
        return alert
    verdict.check(alert["labels"] == first["labels"], f"{way.name}: the same labels {alert['labels']}")
    verdict.check(alert["annotations"].keys() == first["annotations"].keys(), f"{way.name}: the same annotations")
    for name, text in alert["annotations"].items():
        verdict.check(same_words(text, first["annotations"][name]), f"{way.name}: the same {name}: {text}")
    return first


def check_figures(verdict, first, others):
    """What a page says first depends on the moment; once the windows are full the figures agree."""
    def said(server):
        alerts = json.loads(get(f"{server.url}/api/v1/alerts"))["data"]["alerts"]
        return storm_alert(alerts)["annotations"]

    for name, server in others.items():
        wait_for(f"{name}: the same figures", 60, lambda server=server: all(
            same_words(text, said(first)[key]) and same_figures(text, said(first)[key])
            for key, text in said(server).items()))


def own_metric(server, name):
    """{labels: value} of a program's own page."""
    return {m[1] or "": float(m[2])
            for m in re.finditer(rf"^{name}(\{{.*\}})? (\S+)$", get(f"{server.url}/metrics"), re.M)}


def recorded():
    groups = yaml.safe_load((PROMETHEUS / "rules/kvm-recording.yml").read_text())["groups"]
    return {rule["record"] for group in groups for rule in group["rules"]}


def check_victoria(verdict, store, agents, alert):
    shares = [sum(own_metric(agent, "vm_promscrape_scrapes_total").values()) for agent in agents]
    verdict.check(all(shares), f"both vmagents scrape: {shares}")
    verdict.check(len(query(store.url, "up == 1")) == HOSTS, "each host is scraped, by one of them")
    rules = list((pathlib.Path(alert.log).parent / "rules").glob("*.yml"))
    text = "".join(path.read_text() for path in rules)
    verdict.check(" / 30)" in text and "histogram_count" not in text and not
                  re.search(r"\brate\(kvm_vm_finding_seconds_total\[", text),
                  "vmalert-rules.sh finds what it changes")
    wait_for("VictoriaMetrics has each recorded series", 90, lambda: recorded() <= {
        dict(labels).get("__name__") for labels in query(store.url, '{__name__=~"(vm|instance):kvm_.+"}')})
    for name in ("vmalert_recording_rules_error", "vmalert_alerting_rules_error"):
        failing = {labels for labels, value in own_metric(alert, name).items() if value}
        verdict.check(own_metric(alert, name) and not failing, f"{name}: none of {len(own_metric(alert, name))}, {failing}")


def check_shards(verdict, shards, above):
    up = [{dict(k)["instance"] for k in query(s.url, "up == 1")} for s in shards]
    verdict.check(all(up) and not up[0] & up[1] and len(up[0] | up[1]) == HOSTS,
                  f"each host is one shard's: {[len(u) for u in up]}")
    wait_for("the storm is found above the shards", 60, lambda: query(
        above.url, f'ALERTS{{alertname="KvmTimerStorm",alertstate="firing",vm="{STORM}"}}'))
    count = query(above.url, 'count({shard!=""})')[()]
    verdict.check(count <= 8 * HOSTS + 3 * 4, f"above the shards are {count:.0f} series of {HOSTS} hosts")
    verdict.check(not query(above.url, '{__name__=~"kvm_.+|vm:kvm_(exits|halts).+"}'), "and none of a guest in health")


def main():
    for program in ("prometheus", "prometheus-alertmanager", "vmagent", "vmalert", "victoria-metrics"):
        if not shutil.which(program):
            raise SystemExit(f"FAILED: no {program}: see TEST_PACKAGES in deploy/packages.sh")
    verdict, directory = Verdict(), pathlib.Path(tempfile.mkdtemp(prefix="kvmx-fleet-"))
    atexit.register(shutil.rmtree, directory)
    simulator, targets = start_simulator(sys.argv[1], directory)
    one, victoria, agent, shards = (Way(directory, name, DIVISOR, SCRAPE) for name in (
        "prometheus", "victoria", "agent", "shards"))
    server = start_prometheus(one, "server", adapted((PROMETHEUS / "scrape-file-sd.yml").read_text(), one, targets) | {
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [one.alertmanager.address]}]}]}})
    store, agents, vmalert = start_victoria(victoria, targets)
    receiver = start_agent(agent, targets)
    servers, above = start_shards(shards, targets)

    # The storm begins once everyone has seen a healthy fleet for the longest window of a rate.
    for url in (server.url, store.url, receiver.url):
        wait_for(f"all guests are known at {url}", PATIENCE, lambda url=url: query(
            url, f"count(count_over_time(kvm_vm_info[15s]) >= 3) == {HOSTS * GUESTS}"))
    wait_for("all guests are known to the shards", PATIENCE, lambda: sum(
        sum(query(s.url, "count(count_over_time(kvm_vm_info[15s]) >= 3)").values())
        for s in servers) == HOSTS * GUESTS)
    simulator.process.send_signal(signal.SIGUSR1)
    first = None
    for way in (one, victoria, agent, shards):
        first = check_page(verdict, way, first)
    [shard] = [s for s in servers if query(s.url, f'kvm_vm_info{{vm="{STORM}"}}')]
    check_figures(verdict, server, {"vmalert": vmalert, "the receiver": receiver, "a shard": shard})
    check_victoria(verdict, store, agents, vmalert)
    verdict.check(len(query(receiver.url, 'up{site="a"} == 1')) == HOSTS, "the receiver has each host, with its site")
    check_shards(verdict, servers, above)
    ways = (one, victoria, agent, shards)
    for way in ways:
        complaints = [line for each in way.servers for line in each.complaints()]
        verdict.check(not complaints, f"{way.name}: nobody complains {complaints[:5]}")
    # An agent waits for its receiver.
    for each in (s for way in ways for s in reversed(way.servers)):
        each.stop()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"{used.ru_utime + used.ru_stime:.0f} s of CPU time", flush=True)
    verdict.end()


main()
