"""The exporter's counts against what the guest, and KVM's own statistics, say of a guest that was watched
from its start."""

from collections import Counter


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


def check_io(check, vm):
    """By address what has a name, and the sums of all."""
    want, sums = Counter(), Counter()
    for vcpu in vm.vcpus:
        for io in vcpu["io"]:
            for op in ("read", "write"):
                want[io["space"], op, io["address"]] += io[op + "s"]
                sums[io["space"], op] += io[op + "s"]
    check.same_io("guest's io", vm.label, vm.total("kvm_io_exits_total", "space", "op"), sums)
    if vm.program != "io" or vm.label == "io":
        check.same_io("guest's io", vm.label, vm.total("kvm_io_exits_total", "space", "op", "address"), +want)


def check_own_account(check, vm, isa):
    """What the guest, and KVM's own statistics, say of a guest that was watched from its start."""
    want, sums = Counter(), Counter()
    for vcpu in vm.vcpus:
        for msr in vcpu["msrs"]:
            for op in ("read", "write"):
                want[op, msr["index"]] += msr[op + "s"]
                sums[op,] += msr[op + "s"]
    check.same("guest's MSRs", vm.label, vm.total("kvm_msr_accesses_total", "op"), sums)
    exported = vm.total("kvm_msr_accesses_total", "op", "index")
    for (op, index), count in exported.items():
        if index and vm.program != "random-msr":
            check.equal("guest's MSRs", f"{vm.label} {op} {index}", count, want[op, index])
    deadlines = sum(vcpu["guest"]["timer_writes"] for vcpu in vm.vcpus)
    if vm.program in ("deadline-halt", "deadline-spin", "random-msr"):
        check.equal("guest's MSRs", f"{vm.label} TSC_DEADLINE writes", exported["write", "0x6e0"],
                    deadlines)
    check_io(check, vm)
    changes = vm.total("kvm_interrupt_line_changes_total", "gsi")
    for line, count in vm.line_changes.items():
        line = line if int(line) < 24 else "other"
        if vm.told:
            check.equal("guest's lines", f"{vm.label} GSI {line}", changes[line,], count, probe="kvm_set_irq")
        else:  # those before a vCPU runs are nobody's
            check.equal("guest's lines", f"{vm.label} GSI {line}", changes[line,] <= count, True)
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
