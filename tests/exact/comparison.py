"""Comparisons and what they found; a guest with all that the three sources say of it."""

from collections import Counter

# Where these events have tracepoint programs the kernel may skip some, rarely: while a thread that uses
# a BPF map by a system call is preempted on that CPU. For each kind of comparison: its probe, and
# whether it holds every count of that probe once.
SKIPPED = {"halts": ("kvm_vcpu_wakeup", True), "userspace exits": ("kvm_userspace_exit", True),
           "VMM's count": ("kvm_userspace_exit", False)}
# The next KVM_RUN of the vCPU makes up for it, unless its own program is skipped, too.
MADE_UP = {"kvm_userspace_exit"}


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
        """Every event of SKIPPED that the kernel skipped must be one that we lack, but for MADE_UP; and
        those that no VM has must be among the `unattributed` ones, where other processes' are too."""
        for probe in sorted({probe for probe, whole in SKIPPED.values() if whole}):
            lacking, skipped = self.deficits[probe], self.missed[probe]
            self.equal("skipped events", probe, lacking, min(lacking, skipped) if probe in MADE_UP else skipped)
        self.equal("unattributed", f"{self.unattributed} of {unattributed}",
                   0 <= self.unattributed <= unattributed, True)

    def same(self, kind, what, got, want, probe=lambda key: None):
        """Two Counters, key by key, in both directions. `probe`: which one's, by key."""
        for key in sorted(set(got) | set(want), key=str):
            self.equal(kind, f"{what} {key}", got[key], want[key], probe(key))

    def same_io(self, kind, what, got, want):
        """The same by the space of ports or pages, and more."""
        self.same(kind, what, got, want, lambda key: "kvm_pio" if key[0] == "port" else "kvm_mmio")


class Vm:
    """One guest's report, and the metrics and witness rows that are its own."""

    def __init__(self, report, label, metrics, seen, told):
        self.label = label
        self.told = told  # KVM's functions tell of vCPUs and lines
        self.program = report["program"]
        self.vcpus = report["vms"][0]["vcpus"]
        self.line_changes = report["vms"][0]["line_changes"]
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
