#!/usr/bin/env python3
"""check.py DIR: compares what scenario.sh left in DIR, count by count.

Three sources must agree exactly: the exporter's metrics, an independent witness in the kernel
(tracefs), and the guests' own account of what they did. Prints what was compared; exits with 1 if
anything differs, if a series has no counterpart, or if nothing was compared.
"""

import json
import pathlib
import re
import sys
from collections import Counter, defaultdict

from metrics import parse_metrics

OPS = {0: "read", 1: "write"}
ISAS = {"vmx": 1, "svm": 2}


# Where these events have classic programs the kernel may skip some, rarely: while a thread that uses
# a BPF map by a system call is preempted on that CPU. For each kind of comparison: its probe, and
# whether it holds every count of that probe once.
SKIPPED = {"halts": ("kvm_vcpu_wakeup", True), "returns to the VMM": ("kvm_userspace_exit", True),
           "VMM's own count": ("kvm_userspace_exit", False)}


class Checker:
    """Counts comparisons and remembers those that failed.

    Since tracepoints leave preemption on (Linux 7.x), the kernel skips programs now and then. Exits,
    MSRs and timers lack nothing for it. Of SKIPPED and of opt-in events nothing is missing beyond
    what the kernel says it skipped, `missed` by probe.
    """

    def __init__(self, missed):
        self.compared = Counter()
        self.failures = []
        self.missed = missed
        self.deficits = Counter()
        self.unattributed = 0

    def equal(self, kind, what, got, want, probe=None):
        self.compared[kind] += 1
        if got == want:
            return
        probe, whole = (probe, False) if probe else SKIPPED.get(kind, (None, False))
        if probe and 0 < want - got <= self.missed[probe]:
            print(f"skipped by the kernel: {kind}: {what}: {got} of {want}")
            self.deficits[probe] += want - got if whole else 0
            return
        self.failures.append(f"{kind}: {what}: {got}, expected {want}")

    def settle(self, unattributed):
        """Every event of SKIPPED that the kernel skipped must be one that we lack; and those that no
        VM has must be among the `unattributed` ones, where other processes' are too."""
        for probe in sorted({probe for probe, whole in SKIPPED.values() if whole}):
            self.equal("skipped events", probe, self.deficits[probe], self.missed[probe])
        self.equal("unattributed", f"{self.unattributed} of {unattributed}",
                   0 <= self.unattributed <= unattributed, True)

    def same(self, kind, what, got, want):
        """Two Counters, key by key, in both directions."""
        for key in sorted(set(got) | set(want), key=str):
            self.equal(kind, f"{what} {key}", got[key], want[key])


EVENTS = ["kvm_exit", "kvm_msr", "kvm_hv_timer_state", "kvm_vcpu_wakeup", "kvm_userspace_exit"]
OTHERS = ["kvm_entry", "kvm_cpuid", "kvm_pio", "kvm_mmio", "kvm_apic_accept_irq", "kvm_eoi",
          "kvm_hypercall"]
EINTR = 4


def numbers(text):
    return {k: int(v, 0) for k, v in re.findall(r"(\w+):?\s*[=:]\s*(0x[0-9a-f]+|\d+)", text)}


def read_hist(path):
    """[(fields, count)] of a histogram file; refuses one that dropped anything."""
    rows = []
    for table in path.read_text().split("# trigger info: ")[1:]:
        if "Dropped: 0" not in table:
            sys.exit(f"{path}: the witness itself lost events; make its table larger")
        fault = {"exception": int("exception != 0" in table.splitlines()[0])}
        found = re.findall(r"^\{(.*)\} hitcount:\s*(\d+)(.*)", table, re.M)
        rows += [(numbers(fields + sums) | fault, int(count)) for fields, count, sums in found]
    return rows


def read_trace(path):
    """The same from a trace of every event: {event: [(fields, 1)]}."""
    text = path.read_text()
    kept = re.search(r"entries-in-buffer/entries-written: (\d+)/(\d+)", text)
    if not kept or kept[1] != kept[2]:
        sys.exit(f"{path}: the witness itself lost events; make its buffer larger")
    events = defaultdict(list)
    for pid, event, rest in re.findall(r"-(\d+)\s+\[\d+\].*?: (kvm_\w+): (.*)", text):
        fields = {"common_pid": int(pid)}
        if event == "kvm_msr":
            op, ecx = re.match(r"msr_(\w+) ([0-9a-f]+)", rest).groups()
            fields |= {"write": int(op == "write"), "ecx": int(ecx, 16)}
            fields["exception"] = int("#GP" in rest)
        elif event == "kvm_exit":
            vcpu, reason = re.match(r"vcpu (\d+) reason (.*?) rip 0x", rest).groups()
            fields |= {"vcpu_id": int(vcpu), "reason_name": reason}
        elif event == "kvm_hv_timer_state":
            vcpu, state = re.match(r"vcpu_id ([0-9a-f]+) hv_timer ([0-9a-f]+)", rest).groups()
            fields |= {"vcpu_id": int(vcpu, 16), "hv_timer_in_use": int(state, 16)}
        elif event == "kvm_vcpu_wakeup":
            how, ns = re.match(r"(wait|poll) time (\d+) ns", rest).groups()
            fields |= {"waited": int(how == "wait"), "ns": int(ns)}
        elif event == "kvm_userspace_exit":
            fields["reason_name"] = re.match(r"reason (\w+)", rest)[1]
        events[event].append((fields, 1))
    return {event: events[event] for event in EVENTS + OTHERS}


def witness(directory):
    if (directory / "hist" / "kvm_exit").exists():
        return {event: read_hist(directory / "hist" / event) for event in EVENTS + OTHERS}
    return read_trace(directory / "trace.txt")


def kernel_names(directory, event, which):
    """The kernel's own names, from one of the tables in an event's print format: {code: name}."""
    text = (directory / "format" / event).read_text().replace('" "', "")
    table = re.findall(r"__print_symbolic\((.*?)\)(?= :|,)", text, re.S)[which]
    names = {}
    for code, name in re.findall(r"\{ \(?([^,)]+)\)?, \"([^\"]+)\" \}", table):
        value = sum(int(re.sub(r"u?ll$", "", term.strip()), 0) for term in code.split("+"))
        names.setdefault(value & 0xFFFFFFFF, name)
    return names


class Vm:
    """One guest's report, and the metrics and witness rows that are its own."""

    def __init__(self, report, label, metrics, seen):
        self.label = label
        self.program = report["program"]
        self.vcpus = report["vms"][0]["vcpus"]
        self.debugfs = report["vms"][0].get("debugfs", {})  # where it is mounted
        self.vcpu_of = {t["tid"]: v["vcpu"] for v in self.vcpus for t in v["threads"]}
        self.metrics = [m for m in metrics if m.labels.get("vm") == label]
        self.seen = {
            event: [(f, n) for f, n in rows if f["common_pid"] in self.vcpu_of]
            for event, rows in seen.items()
        }

    def vcpu_label(self, tid):
        """The label of a thread's vCPU: empty where no event tells, for want of kvm_exit."""
        vcpu = str(self.vcpu_of[tid])
        known = any(m.labels.get("vcpu") == vcpu for m in self.metrics)
        return vcpu if known else ""

    def total(self, name, *by, **where):
        """A family's samples summed by labels: {label values: sum}."""
        sums = Counter()
        for m in self.metrics:
            if m.name == name and all(m.labels[k] == v for k, v in where.items()):
                sums[tuple(m.labels[label] for label in by)] += m.value
        return sums


def check_exits(check, vm, names, isa):
    want = Counter()
    for fields, count in vm.seen["kvm_exit"]:
        name = fields.get("reason_name")
        if name is None:
            code = fields["exit_reason"] & (0xFFFF if isa == "vmx" else 0xFFFFFFFF)
            name = names.get(code, hex(code))
        want[str(fields["vcpu_id"]), name] += count
    check.same("exits", vm.label, vm.total("kvm_exits_total", "vcpu", "reason"), want)
    exits = vm.total("kvm_exits_total", "reason")
    for (reason,), seconds in vm.total("kvm_exit_handling_seconds_total", "reason").items():
        # The last exit of a vCPU may never have been followed by an entry.
        entered = exits[reason,] > len(vm.vcpus)
        check.equal("handling", f"{vm.label} {reason}: {seconds} s is a sane time",
                    (0 < seconds if entered else 0 <= seconds) and seconds < 600, True)


def check_msrs(check, vm):
    """By vCPU, operation and index. What has no counter of its own must be in `other`.

    Where kvm_exit does not fire, a vCPU becomes known with its first timer event only, so its
    accesses are spread over two labels, each with room for unknown MSRs of its own.
    """
    spread = ("",) in vm.total("kvm_msr_accesses_total", "vcpu")
    accesses, faults = Counter(), Counter()
    for fields, count in vm.seen["kvm_msr"]:
        vcpu = "all" if spread else str(vm.vcpu_of[fields["common_pid"]])
        accesses[vcpu, OPS[fields["write"]], hex(fields["ecx"])] += count
        if fields["exception"]:
            faults[OPS[fields["write"]],] += count
    check.same("faults", vm.label, vm.total("kvm_msr_faults_total", "op"), faults)

    shown = Counter()
    for (vcpu, op, index), count in vm.total("kvm_msr_accesses_total", "vcpu", "op", "index").items():
        shown["all" if spread else vcpu, op, index] += count
    want = Counter()
    for (vcpu, op, index), count in accesses.items():
        own = shown[vcpu, op, index]
        if spread and 0 < own < count:
            check.equal("msrs", f"{vm.label} is the one with unknown MSRs", vm.program, "random-msr")
            count, rest = own, count - own
            want[vcpu, op, ""] += rest
        want[vcpu, op, index if own else ""] += count
    check.same("msrs", vm.label, shown, want)


def check_timers(check, vm):
    want = Counter()
    for fields, count in vm.seen["kvm_hv_timer_state"]:
        want[str(fields["vcpu_id"]), "hv" if fields["hv_timer_in_use"] else "sw"] += count
    check.same("timers", vm.label, vm.total("kvm_timer_arms_total", "vcpu", "timer"), want)


def check_halts(check, vm):
    """Halts and their time. Of a sleep in progress a little more may have been shown than the
    kernel reports of it when it ends, and what was shown stays."""
    halts, ns = Counter(), Counter()
    for fields, count in vm.seen["kvm_vcpu_wakeup"]:
        how = "wait" if fields["waited"] else "poll"
        halts[vm.vcpu_label(fields["common_pid"]), how] += count
        ns[vm.vcpu_label(fields["common_pid"]), how] += fields["ns"]
    check.same("halts", vm.label, vm.total("kvm_halts_total", "vcpu", "wakeup"), halts)
    shown = vm.total("kvm_halt_seconds_total", "vcpu", "wakeup")
    for key in set(shown) | set(ns):
        if vm.total("kvm_halts_total", "vcpu", "wakeup")[key] != halts[key]:
            continue  # the kernel skipped some, as was found above
        above = round(shown[key] * 1e9) - ns[key]
        limit = 20_000_000 if key[1] == "wait" else 0
        check.equal("halt time", f"{vm.label} {key} is {ns[key]} ns, or held a little above it: "
                    f"{above} ns", 0 <= above <= limit, True)


def check_userspace(check, vm, names):
    want = Counter()
    for fields, count in vm.seen["kvm_userspace_exit"]:
        name = fields.get("reason_name")
        if name is None:
            error = (fields["errno"] & 0xFFFFFFFF) - (1 << 32 if fields["errno"] >> 31 & 1 else 0)
            named = names.get(fields["reason"], hex(fields["reason"]))
            name = named if error >= 0 else "restart" if error == -EINTR else "error"
        want[name,] += count
    shown = vm.total("kvm_userspace_exits_total", "reason")
    check.same("returns to the VMM", vm.label, shown, want)
    for vcpu in vm.vcpus:
        if vm.label != "late" and len(vm.vcpus) == 1:
            for name, count in vcpu["kvm_run"].items():
                if name.startswith("KVM_EXIT_") and name != "KVM_EXIT_INTR":
                    check.equal("VMM's own count", f"{vm.label} {name}", shown[name,], count)


def check_events(check, vm, isa):
    """Where kvm_exit does not fire, a thread is not known to run a vCPU before it raises an event
    that only a vCPU raises. Those before that are in the VM's empty vcpu, or `unattributed` if the
    VM was not known either. So a vCPU's count is at most what happened, and what lacks is there."""
    want = Counter()
    for event in OTHERS:
        for fields, count in vm.seen[event]:
            want[vm.vcpu_label(fields["common_pid"]), event] += count
    shown = vm.total("kvm_events_total", "vcpu", "event")
    for vcpu, event in sorted(set(shown) | set(want)):
        what = f"{vm.label} vCPU {vcpu} {event}"
        if isa:
            check.equal("other events", what, shown[vcpu, event], want[vcpu, event], probe=event)
        elif vcpu:
            check.equal("other events", f"{what}: {shown[vcpu, event]} of {want[vcpu, event]}",
                        shown[vcpu, event] <= want[vcpu, event], True)
    if not isa:
        check.unattributed += sum(want.values()) - sum(shown.values())


def check_histograms(check, vm, isa):
    """Their counts follow from the guest's own: an interval lies between two programmings of a
    timer, a latency between an exit and the entry after it, which the last exit of a vCPU lacks."""
    programmings = [v["guest"]["timer_writes"] for v in vm.vcpus]
    if vm.program in ("deadline-halt", "deadline-spin", "tick-halt", "tmict-halt", "random-msr"):
        check.equal("intervals", vm.label, vm.total("kvm_timer_interval_seconds_count")[()],
                    sum(max(n - 1, 0) for n in programmings))
    if not isa:
        return
    exits = vm.total("kvm_exits_total", "reason")
    waits = {"HLT", "PAUSE_INSTRUCTION", "hlt", "idle-halt", "pause"}
    entered = sum(n for (reason,), n in exits.items() if reason not in waits) - len(vm.vcpus)
    check.equal("latencies", vm.label, vm.total("kvm_exit_latency_seconds_count")[()], entered)
    handling = sum(n for (reason,), n in
                   vm.total("kvm_exit_handling_seconds_total", "reason").items()
                   if reason not in waits)
    total = vm.total("kvm_exit_latency_seconds_sum")[()]
    check.equal("latencies", f"{vm.label} sum {total} within handling {handling}",
                0 < round(total * 1e9) <= round(handling * 1e9), True)


def check_own_account(check, vm, isa):
    """What the guest, and KVM's own statistics, say of a guest that was watched from its start."""
    want, sums = Counter(), Counter()
    for vcpu in vm.vcpus:
        for msr in vcpu["msrs"]:
            for op in OPS.values():
                want[op, msr["index"]] += msr[op + "s"]
                sums[op,] += msr[op + "s"]
    check.same("guest's MSRs", vm.label, vm.total("kvm_msr_accesses_total", "op"), sums)
    shown = vm.total("kvm_msr_accesses_total", "op", "index")
    for (op, index), count in shown.items():
        if index and vm.program != "random-msr":
            check.equal("guest's MSRs", f"{vm.label} {op} {index}", count, want[op, index])
    deadlines = sum(vcpu["guest"]["timer_writes"] for vcpu in vm.vcpus)
    if vm.program in ("deadline-halt", "deadline-spin", "random-msr"):
        check.equal("guest's MSRs", f"{vm.label} TSC_DEADLINE writes", shown["write", "0x6e0"],
                    deadlines)
    check_histograms(check, vm, isa)
    if isa:
        check_kvm_exits(check, vm)
        check_program(check, vm, isa)


def check_kvm_exits(check, vm):
    """KVM's own `exits` statistic, a vCPU each (since Linux 5.14) or the VM's sum."""
    by_vcpu = vm.total("kvm_exits_total", "vcpu")
    for vcpu in vm.vcpus:
        if "exits" in vcpu.get("stats", {}):
            check.equal("KVM's exits", f"{vm.label} vCPU {vcpu['vcpu']}",
                        by_vcpu[str(vcpu["vcpu"]),], vcpu["stats"]["exits"])
    if "exits" in vm.debugfs:
        check.equal("KVM's exits", vm.label, vm.total("kvm_exits_total")[()], vm.debugfs["exits"])


# What a program's count must be, by the reason it exits with: (VMX, SVM, the guest's counter).
REASONS = {
    "cpuid": ("CPUID", "cpuid", "cpuids"),
    "hypercall": ("VMCALL", "hypercall", "hypercalls"),
    "deadline-halt": ("HLT", "hlt", "halts"),
    "periodic-halt": ("HLT", "hlt", "halts"),
    "tick-halt": ("HLT", "hlt", "halts"),
    "tmict-halt": ("HLT", "hlt", "halts"),
}


def check_program(check, vm, isa):
    if vm.program in REASONS:
        vmx, svm, counter = REASONS[vm.program]
        reason = svm if isa == "svm" else vmx
        for vcpu in vm.vcpus:
            check.equal("guest's exits", f"{vm.label} vCPU {vcpu['vcpu']} {reason}",
                        vm.total("kvm_exits_total", vcpu=str(vcpu["vcpu"]), reason=reason)[()],
                        vcpu["guest"][counter])
    if vm.program == "deadline-spin" and isa == "vmx":
        deadlines = sum(v["guest"]["timer_writes"] for v in vm.vcpus)
        check.equal("guest's exits", f"{vm.label} hv arms",
                    vm.total("kvm_timer_arms_total", timer="hv")[()], deadlines)
        check.equal("guest's exits", f"{vm.label} PREEMPTION_TIMER",
                    vm.total("kvm_exits_total", reason="PREEMPTION_TIMER")[()], deadlines)
    if vm.program == "deadline-halt" and isa == "vmx":
        check.equal("guest's exits", f"{vm.label} has sw arms",
                    vm.total("kvm_timer_arms_total", timer="sw")[()] > 0, True)


def check_health(check, metrics, isa):
    for m in metrics:
        if m.name == "kvm_exporter_probe_attached":
            check.equal("health", f"attached {m.labels}", m.value, 1)
        if m.labels.get("cause") == "unattributed":
            continue  # of processes that have not run a vCPU yet
        if m.name == "kvm_exporter_events_lost_total":
            check.equal("health", f"{m.name} {m.labels}", m.value, 0)
        if m.name == "kvm_host_info":
            check.equal("health", "isa", m.labels["isa"], isa or "other")
    check.equal("health", "attached probes",
                sum(m.name == "kvm_exporter_probe_attached" for m in metrics),
                len(EVENTS) + len(OTHERS))


def main():
    directory = pathlib.Path(sys.argv[1])
    metrics = parse_metrics((directory / "metrics.txt").read_text())
    isa = next(m.labels["isa"] for m in metrics if m.name == "kvm_host_info")
    isa = isa if isa in ISAS else None
    names = kernel_names(directory, "kvm_exit", 0 if isa == "vmx" else 1) if isa else {}
    user_names = kernel_names(directory, "kvm_userspace_exit", 0)
    seen = witness(directory)
    check = Checker(Counter({m.labels["probe"]: m.value for m in metrics
                             if m.name == "kvm_exporter_probe_missed_total"}))
    check_health(check, metrics, isa)
    reports, expected = sorted(directory.glob("*.json")), set()
    for path in reports:
        vm = Vm(json.loads(path.read_text().splitlines()[-1]), path.stem, metrics, seen)
        had_events = any(vm.seen.values())
        check.equal("VMs", f"{vm.label} is known by its name", bool(vm.metrics), had_events)
        expected |= {vm.label} if had_events else set()
        check_exits(check, vm, names, isa)
        check_msrs(check, vm)
        check_timers(check, vm)
        check_halts(check, vm)
        check_userspace(check, vm, user_names)
        check_events(check, vm, isa)
        if path.stem != "late":
            check_own_account(check, vm, isa)
    labels = {m.labels["vm"] for m in metrics if "vm" in m.labels}
    check.equal("VMs", "all are there", expected - labels, set())

    check.settle(sum(m.value for m in metrics if m.labels.get("cause") == "unattributed"))
    for failure in check.failures:
        print("DIFFERS", failure)
    print(", ".join(f"{kind} {n}" for kind, n in check.compared.items()))
    print(f"{sum(check.compared.values())} compared, {len(check.failures)} differ"
          f" ({isa or 'no kvm_exit on this host'}, {len(reports)} guests)")
    sys.exit(1 if check.failures or not reports else 0)


main()
