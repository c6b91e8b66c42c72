#!/usr/bin/env python3
"""alert_test.py amd|native EXPORTER GUEST OUT: a storm pages, alone, and the page ends with the storm.

Three guests on real KVM: a storm, one of whose vCPUs is parked, a tick that is none, and a quiet one; an
exporter without vCPUs (--metrics.per-vcpu=none); beside them Prometheus and Alertmanager with what deploy/
ships (tests/lib/alerting.py says what is changed), and a receiver of webhooks. The exporter finds the
storm, a rule reads the finding, and one page names the guest, its owner and what it costs. The page and
its end go into the file OUT as Alertmanager sends them, and are printed. In the same run: quantiles of
both histograms, every recording rule, and that neither program complains.

amd: all of this runs in an emulated AMD host whose clock counts instructions (amd.sh --icount), so the
guest ticks as often however busy the machine is.
native: on this machine's /dev/kvm, where that one is neither VMX nor SVM there are no exits.
"""

import atexit
import json
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from alerting import ROOT, Stack, free_port, get, wait_for
from verdict import Verdict, need_kvm
import yaml

HERE = pathlib.Path(__file__).resolve().parent
# Times of 5 minutes are 5 s, with a scrape every second.
DIVISOR, SCRAPE_INTERVAL = 60, "1s"
PATIENCE = 120  # seconds until it pages
UUID = "8f0e2f6c-0000-4000-8000-000000000001"
# What a slow emulator, which has one CPU for a storm of twelve vCPUs, or other guests of this machine, earn by
# right.
EARNED = {"KvmExitHandlingSlow", "KvmHostExitOverheadHigh", "KvmHostIdleWakeups", "KvmVcpuStarved"}
# Of exits nothing is known where /dev/kvm raises none; nor need it poll.
NEED_EXITS = ("kvm_exit", "halt_poll")


def start_guests(exporter, guest):
    """The port of the exporter, the process, and the directory in which it looks for what to do next."""
    out = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-page-guests-"))
    port = free_port()
    log = (out / "log").open("w+")
    process = subprocess.Popen([HERE / "alert_guests.sh", exporter, guest, str(port), str(out)], stdout=log, stderr=log)
    atexit.register(stop, process)
    return port, process, out


def answers(guests, port, out):
    if guests.poll() is not None:
        raise SystemExit("FAILED: the exporter and its guests have ended")
    return (out / "begin").exists() and get(f"http://127.0.0.1:{port}/-/ready")


def stop(process):
    if process.poll() is None:
        process.terminate()
        process.wait(60)


def recording_rules():
    path = ROOT / "deploy/prometheus/rules/kvm-recording.yml"
    return [rule["record"] for group in yaml.safe_load(path.read_text())["groups"]
            for rule in group["rules"]]


def check_rules(verdict, stack, exits):
    """Each recording rule has series; none was ever evaluated in vain."""
    may = {r for r in recording_rules() if not exits and any(n in r for n in NEED_EXITS)}

    def missing():
        return {record for record in recording_rules() if not stack.query(f"count({record})")}

    wait_for("recording rules have series", 60, lambda: missing() <= may)
    for name in ("prometheus_rule_evaluation_failures_total",
                 "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                 "prometheus_target_scrapes_sample_out_of_order_total",
                 "prometheus_target_scrapes_sample_out_of_bounds_total",
                 "prometheus_notifications_dropped_total"):
        verdict.check(stack.own_metric(stack.url, name) == 0, f"{name} is 0")
    # As deploy/prometheus/README.md says of what rules cost, each finding that holds left out.
    for level, by, most in (("vcpu", "vm, vcpu", 0), ("vm", "vm", 6), ("instance", "instance", 4)):
        recorded = stack.value(f'max(count by ({by}) ({{__name__=~"{level}:kvm_.+",finding=""}}))')
        recorded = recorded or 0
        verdict.check(recorded <= most,
                      f"{recorded} series are recorded of a {level}, {most} at most")
    evaluations = stack.own_metric(stack.url, "prometheus_rule_evaluations_total")
    verdict.check(evaluations > 100, f"{evaluations:.0f} evaluations of rules")


def check_quantiles(verdict, stack, exits):
    def quantile(q, metric, vm):
        return stack.value(f'histogram_quantile({q}, rate({metric}_bucket{{vm="{vm}"}}[20s]))')

    median = quantile(0.5, "kvm_timer_interval_seconds", "page-tick")
    verdict.check(median is not None and 0.006 <= median <= 0.009,
                  f"tick: median of the interval {median} s, a tick of 150 Hz")
    if exits:
        low, high = (quantile(q, "kvm_exit_latency_seconds", "page-storm") for q in (0.5, 0.99))
        verdict.check(low is not None and 1e-6 < low < high <= 2 ** -6,
                      f"storm: exits take {low} s, p99 {high} s")


def storm_of(message):
    """The storm's alert in a message of Alertmanager; other VMs of this machine may be in it, too."""
    [alert] = [a for a in message["alerts"] if a["labels"].get("vm") == "page-storm"]
    return alert


def check_page(verdict, stack, instance, exits):
    message = wait_for("the page", PATIENCE,
                       lambda: stack.webhooks.message("/page", "firing", "page-storm"))
    alert = storm_of(message)
    labels, annotations = alert["labels"], alert["annotations"]
    verdict.check(labels == {"alertname": "KvmTimerStorm", "severity": "critical", "vm": "page-storm",
                             "name": "page-storm", "uuid": UUID, "finding": "timer_storm",
                             "job": "kvm-exit-exporter"},
                  f"the page's labels: {labels}")
    pid = dict(next(iter(stack.query('kvm_vm_info{vm="page-storm"}'))))["pid"]
    said = {
        "guest": (f"uuid {UUID}", f"VM page-storm on {instance}, process {pid}", ". Since "),
        "cost": ("exits take", "It is woken", "for each CPU of the host"),
        "description": ("its tick never stops: most of its vCPUs tick at", "of the time", "nohz=off",
                        f"First, on the host: taskset -acp 0,1 {pid}", "ask its owner"),
        "dashboard_url": ("/d/kvm-timer-storm?", "var-vm=page-storm"),
    }
    for annotation, texts in said.items():
        for words in texts:
            verdict.check(words in annotations[annotation], f"its {annotation} says: {words}")
    verdict.check(("not known" in annotations["cost"]) != exits, f"what it costs: {annotations['cost']}")
    vcpus = [stack.value(f'{name}{{vm="page-storm"}}') for name in ("kvm_vm_vcpus", "kvm_vm_vcpus_running")]
    verdict.check(vcpus == [13, 12], f"of its vCPUs {vcpus} are there and run")
    verdict.check(not stack.query('{vcpu=~".+"}'), "no series has a vCPU")
    runbook = annotations["runbook_url"].rsplit("/", 1)[1]
    verdict.check((ROOT / "deploy" / "runbooks" / runbook).is_file(), f"its runbook: {runbook}")
    return message


def ours(alerts):
    """{(alert, vm)} of the test's own guests and of hosts."""
    found = {(a["labels"]["alertname"], a["labels"].get("vm", "")) for a in alerts}
    return {(name, vm) for name, vm in found if not vm or vm.startswith("page-")}


def check_no_other(verdict, stack):
    paged = ours(stack.webhooks.alerts("/page", "firing"))
    others = {name for name, _ in paged - {("KvmTimerStorm", "page-storm")}}
    verdict.check(others <= EARNED, f"no other page: {paged}")
    tickets = ours(stack.webhooks.alerts("/ticket", "firing"))
    verdict.check({name for name, _ in tickets} <= EARNED, f"no ticket: {tickets}")


def check_tick(verdict, stack):
    wait_for("the tick is found", 200, lambda: stack.query(
        'ALERTS{alertname="KvmGuestIdleTick",alertstate="firing",vm="page-tick"}'))
    idle = [dict(labels)["vm"] for labels in stack.query(
        'ALERTS{alertname="KvmGuestIdleTick",alertstate="firing"}')]
    verdict.check("page-tick" in idle and "page-quiet" not in idle,
                  f"idle ticks are seen by whoever looks, and sent to nobody: {sorted(idle)}")


def check_end(verdict, stack):
    message = wait_for("the page's end", 300,
                       lambda: stack.webhooks.message("/page", "resolved", "page-storm"))
    alert = storm_of(message)
    verdict.check(alert["labels"]["alertname"] == "KvmTimerStorm" and
                  alert["endsAt"] > alert["startsAt"], "it is the storm that ended")
    rate = stack.value('kvm_vm_tick_hertz{vm="page-storm"}')
    verdict.check(rate is not None and rate < 90, f"the guest of that name goes on, at {rate}/s")
    pages = [a["status"] for a in stack.webhooks.alerts("/page", "firing")
             if a["labels"].get("vm") == "page-storm" and a["startsAt"] != alert["startsAt"]]
    verdict.check(not pages, f"it was one alert, not {pages}")
    return message


def where():
    return sys.argv[1]


def main():
    if where() == "native":
        need_kvm()
    exporter, guest = (str(pathlib.Path(p).resolve()) for p in sys.argv[2:4])
    verdict, exits = Verdict(), where() == "amd"
    port, guests, out = start_guests(exporter, guest)
    try:
        wait_for("the exporter answers", 300, lambda: answers(guests, port, out))
        instance = f"{where()}-host:10177"
        stack = Stack(f"127.0.0.1:{port}", instance, DIVISOR, SCRAPE_INTERVAL)
        page = check_page(verdict, stack, instance, exits)
        check_rules(verdict, stack, exits)
        check_quantiles(verdict, stack, exits)
        check_no_other(verdict, stack)
        (out / "cure").touch()
        end = check_end(verdict, stack)
        webhooks = json.dumps({"page": page, "end": end}, indent=2)
        pathlib.Path(sys.argv[4]).write_text(webhooks + "\n")
        print(webhooks, flush=True)
        check_tick(verdict, stack)
        check_no_other(verdict, stack)
        for server in (stack.prometheus, stack.alertmanager):
            verdict.check(not server.complaints(),
                          f"{server.name} has nothing to complain of {server.complaints()}")
        (out / "end").touch()
        verdict.check(guests.wait(60) == 0, "the guests end well")
    finally:
        print((out / "log").read_text(), flush=True)
    verdict.end()


main()
