"""The exporter's counts of a guest against the witness's, event by event."""

from collections import Counter

EINTR = 4
OPS = {0: "read", 1: "write"}
MMIO_WRITE = 2
LINES = 24  # that have a counter of their own


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

    Of a guest that touches more unknown MSRs than a vCPU has places for, those that had one for a while
    have a part under their index, and the rest in `other`. No other guest may show that. Where kvm_exit
    does not fire, a vCPU becomes known with its first timer event only, so its accesses are spread over
    two labels, each with room for unknown MSRs of its own.
    """
    spread = ("",) in vm.total("kvm_msr_accesses_total", "vcpu")
    accesses, faults = Counter(), Counter()
    for fields, count in vm.seen["kvm_msr"]:
        vcpu = "all" if spread else str(vm.vcpu_of[fields["common_pid"]])
        accesses[vcpu, OPS[fields["write"]], hex(fields["ecx"])] += count
        if fields["exception"]:
            faults[OPS[fields["write"]],] += count
    check.same("faults", vm.label, vm.total("kvm_msr_faults_total", "op"), faults)

    exported = Counter()
    for (vcpu, op, index), count in vm.total("kvm_msr_accesses_total", "vcpu", "op", "index").items():
        exported["all" if spread else vcpu, op, index] += count
    want = Counter()
    for (vcpu, op, index), count in accesses.items():
        own = exported[vcpu, op, index]
        if 0 < own < count:
            check.equal("msrs", f"{vm.label} is the one with unknown MSRs", vm.program, "random-msr")
            count, rest = own, count - own
            want[vcpu, op, ""] += rest
        want[vcpu, op, index if own else ""] += count
    check.same("msrs", vm.label, exported, want)


def io_of(fields):
    """The space, operation and address of a row of kvm_pio, kvm_mmio or kvm_fast_mmio; None of a read's
    first event of two."""
    if "port" in fields:
        return "port", OPS[fields["rw"]], hex(fields["port"])
    kind = fields.get("type", MMIO_WRITE)
    return ("mmio", OPS[kind - 1], hex(fields["gpa"] & ~0xFFF)) if kind else None


def check_io(check, vm):
    """Ports and pages. As of MSRs, those that had a place for a while have a part under their address."""
    want = Counter()
    for event in ("kvm_pio", "kvm_mmio", "kvm_fast_mmio"):
        for fields, count in vm.seen[event]:
            if io_of(fields):
                want[io_of(fields)] += count
    exported = vm.total("kvm_io_exits_total", "space", "op", "address")
    booked = Counter()
    for (space, op, address), count in want.items():
        own = min(exported[space, op, address], count)
        if own < count:
            check.equal("io", f"{vm.label} is the one with many", vm.label, "io-many")
        booked[space, op, address] += own
        booked[space, op, "other"] += count - own
    check.same_io("io", vm.label, exported, booked)
    if vm.label == "io-many":  # each iteration reads its port
        check.equal("io", "the hot port has its name", exported["port", "read", "0x608"],
                    want["port", "read", "0x608"])


def check_lines(check, metrics, seen, told):
    """Interrupt lines of all VMs together: threads of the kernel raise them, too. Where KVM does not tell
    of VMs, what those raise, and what is raised before a vCPU runs, is unattributed."""
    want, exported = Counter(), Counter()
    for fields, count in seen["kvm_set_irq"]:
        want[str(fields["gsi"]) if fields["gsi"] < LINES else "other"] += count
    for m in metrics:
        if m.name == "kvm_interrupt_line_changes_total":
            exported[m.labels["gsi"]] += m.value
    for line in sorted(set(want) | set(exported)):
        if told:
            check.equal("lines", f"GSI {line}", exported[line], want[line], probe="kvm_set_irq")
        else:
            check.equal("lines", f"GSI {line}", exported[line] <= want[line], True)
            check.unattributed += want[line] - exported[line]


def check_timers(check, vm):
    want = Counter()
    for fields, count in vm.seen["kvm_hv_timer_state"]:
        want[str(fields["vcpu_id"]), "hv" if fields["hv_timer_in_use"] else "sw"] += count
    check.same("timers", vm.label, vm.total("kvm_timer_arms_total", "vcpu", "timer"), want)


def check_halts(check, vm):
    """Halts and their time. Of a sleep in progress a little more may have been exported than the
    kernel reports of it when it ends, and what was exported stays."""
    halts, ns = Counter(), Counter()
    for fields, count in vm.seen["kvm_vcpu_wakeup"]:
        how = "wait" if fields["waited"] else "poll"
        halts[vm.vcpu_label(fields["common_pid"]), how] += count
        ns[vm.vcpu_label(fields["common_pid"]), how] += fields["ns"]
    check.same("halts", vm.label, vm.total("kvm_halts_total", "vcpu", "wakeup"), halts)
    exported = vm.total("kvm_halt_seconds_total", "vcpu", "wakeup")
    for key in set(exported) | set(ns):
        if vm.total("kvm_halts_total", "vcpu", "wakeup")[key] != halts[key]:
            continue  # the kernel skipped some, as was found above
        above = round(exported[key] * 1e9) - ns[key]
        limit = 20_000_000 if key[1] == "wait" else 0
        check.equal("halt time", f"{vm.label} {key} is {ns[key]} ns, or a little above it: "
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
    exported = vm.total("kvm_userspace_exits_total", "reason")
    check.same("userspace exits", vm.label, exported, want)
    for vcpu in vm.vcpus:
        if vm.label != "late" and len(vm.vcpus) == 1:
            for name, count in vcpu["kvm_run"].items():
                if name.startswith("KVM_EXIT_") and name != "KVM_EXIT_INTR":
                    check.equal("VMM's count", f"{vm.label} {name}", exported[name,], count)


def check_events(check, vm, isa, others):
    """Where kvm_exit does not fire, a thread is not known to run a vCPU before it raises an event
    that only a vCPU raises. Those before that are in the VM's empty vcpu, or `unattributed` if the
    VM was not known either. So a vCPU's count is at most what happened, and what lacks is there. The
    same goes for the first events of a VM that is older than the exporter, which may begin in the middle
    of what its thread does; but that is one of a kind, and its VM is known."""
    want = Counter()
    for event in others:
        for fields, count in vm.seen[event]:
            want[vm.vcpu_label(fields["common_pid"]), event] += count
    exported = vm.total("kvm_events_total", "vcpu", "event")
    if vm.label == "late":
        for vcpu, event in list(want):
            if vcpu and exported[vcpu, event] == want[vcpu, event] - 1:
                want["", event] += 1
                want[vcpu, event] -= 1
    for vcpu, event in sorted(set(exported) | set(want)):
        what = f"{vm.label} vCPU {vcpu} {event}"
        if isa:
            check.equal("other events", what, exported[vcpu, event], want[vcpu, event], probe=event)
        elif vcpu:
            check.equal("other events", f"{what}: {exported[vcpu, event]} of {want[vcpu, event]}",
                        exported[vcpu, event] <= want[vcpu, event], True)
    if not isa:
        check.unattributed += sum(want.values()) - sum(exported.values())
