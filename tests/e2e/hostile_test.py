"""hostile_test.py EXPORTER GUEST: guests and a VMM that want pages to grow, to lie or to break.

In an emulated AMD host. Many vCPUs of a guest read and write thousands of different MSRs as fast as
they can, most of which fault, with some timer programmings in between, under a name that is itself
a page. Sums stay exact, the timer stays in sight, no series are added by further MSRs, and what is
in the name stays in a label.
"""

import html
import os
import pathlib
import re
import sys
import urllib.parse
from collections import Counter

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from counts import differing, exported_counts, guest_counts
from exporter import Exporter
from guests import Guests
from metrics import page_lines
from verdict import Verdict

VCPUS = 24
COUNT = 6000 if "KVMX_FULL" in os.environ else 2500  # accesses a vCPU
DEADLINES = 100
OVERFLOW_MSRS = 8  # places a vCPU for MSRs without a counter of their own, see bpf/vcpu_slot.h
OWN_MSRS = 8    # with a counter of their own, that the guest itself uses
ATTACK = ("--hold-before", "--hold-after", "--vcpus", VCPUS, "--program", "random-msr", "--indices",
          2000, "--count", COUNT, "--deadlines", DEADLINES)
NAME = 'x"></b><script>} 1\nkvm_exits_total{vm="innocent",vcpu="0",reason="cpuid"} 1e9\n# EOF\n\\'
LINE = re.compile(r"# (HELP|TYPE) (kvm|process)_|(kvm|process)_\w+[ {]")
FAMILY = "kvm_msr_accesses_total"


def check_pages(verdict, exporter, seed, label):
    """On pages the name is text, and its link leads to it."""
    link = "./vm?name=" + urllib.parse.quote(label, safe="")
    text = f"<bdi>{html.escape(label).replace('&#x27;', '&#39;')}</bdi>"
    home, page = exporter.get("/"), exporter.get(link[1:])
    verdict.check(f'<a href="{link}">{text}</a>' in home and f"<h1>{text}</h1>" in page
                  and "</b><script>" not in home + page, f"seed {seed}: its name is text on pages")


def check_attack(verdict, exporter, guests, seed):
    process = guests.hold(NAME, *ATTACK, "--seed", seed)
    want = guest_counts(guests.work(process)["vms"][0])
    pid = str(process.pid)
    page = exporter.until(lambda page: any(m.name == "kvm_vm_info" and m.labels["pid"] == pid
                                           for m in page.samples))
    label = next(m.labels["vm"] for m in page.samples
                 if m.name == "kvm_vm_info" and m.labels["pid"] == pid)
    have = exported_counts([m for m in page.samples if m.labels.get("vm") == label])
    check_pages(verdict, exporter, seed, label)
    guests.go_on(process)
    process.wait()

    accesses = sum(count for (_, what), count in want.items() if what in ("read", "write"))
    wrong = differing(want, page, label)
    verdict.check(not wrong, f"seed {seed}: {accesses} MSR accesses, {want['', 'exits']} exits of {VCPUS}"
                  f" vCPUs are exact; the guest's, and those exported, where they differ: {dict(list(wrong.items())[:5])}")
    deadlines = {have[str(vcpu), "deadlines"] for vcpu in range(VCPUS)}
    verdict.check(deadlines == {want["0", "deadlines"]} and deadlines.pop() >= DEADLINES,
                  f"seed {seed}: its timer's programmings are in sight")
    series = Counter((m.labels["vcpu"], m.labels["op"]) for m in page.samples
                     if m.name == FAMILY and m.labels["vm"] == label)
    most = max(series.values())
    verdict.check(len(series) == 2 * VCPUS and OVERFLOW_MSRS < most <= OVERFLOW_MSRS + 1 + OWN_MSRS,
                  f"seed {seed}: {most} series of {FAMILY} at most, a vCPU and operation")
    odd = [line for line in page_lines(page.text) if not LINE.match(line)]
    verdict.check(not odd and not any(m.labels.get("vm") == "innocent" for m in page.samples),
                  f"seed {seed}: its name is one label, {label!r} {odd}")
    lost = page.sum("kvm_exporter_events_lost_total")
    verdict.check(lost == 0, f"seed {seed}: {lost:.0f} events are lost")


def main():
    guests, verdict = Guests(sys.argv[2]), Verdict()
    exporter = Exporter(sys.argv[1], 10215, "--vm.linger=0s")
    for seed in (1, 2):
        check_attack(verdict, exporter, guests, seed)
    verdict.end()


main()
