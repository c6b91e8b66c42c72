"""What a VM did, as its guest and KVM count it, and as the exporter does."""

from collections import Counter


def guest_counts(vm):
    """By a VM of kvmx-guest's report: {(vCPU, what): count}; vCPU "" of all together. A software KVM counts
    no exits."""
    counts = Counter({("", "exits"): vm["debugfs"]["exits"]} if "debugfs" in vm else {})
    for vcpu in vm["vcpus"]:
        name = str(vcpu["vcpu"])
        counts["", "userspace exits"] += sum(vcpu["kvm_run"].values())
        for msr in vcpu["msrs"]:
            for op in ("read", "write"):
                counts[name, op] += msr[f"{op}s"]
                counts[name, f"faulting {op}"] += msr[f"{op}_faults"]
            if msr["index"] == "0x6e0":
                counts[name, "deadlines"] += msr["writes"]
        if "stats" in vcpu:
            counts[name, "exits"] += vcpu["stats"]["exits"]
    return +counts


def exported_counts(samples, vcpus_have_exits=True):
    """The same by the exporter, of one VM's samples. Exits by vCPU only where KVM counts them: from
    5.14 on."""
    counts = Counter()
    for name, labels, value in samples:
        if name == "kvm_exits_total":
            counts["", "exits"] += int(value)
            if vcpus_have_exits:
                counts[labels["vcpu"], "exits"] += int(value)
        elif name == "kvm_userspace_exits_total":
            counts["", "userspace exits"] += int(value)
        elif name == "kvm_msr_faults_total":
            counts[labels["vcpu"], f"faulting {labels['op']}"] += int(value)
        elif name == "kvm_msr_accesses_total":
            counts[labels["vcpu"], labels["op"]] += int(value)
            if (labels["op"], labels["msr"]) == ("write", "IA32_TSC_DEADLINE"):
                counts[labels["vcpu"], "deadlines"] += int(value)
    return +counts


def skipped_userspace_exits(page):
    """A kernel that preempts a system call on a BPF map, the exporter's, runs no program of
    kvm_userspace_exit on that CPU meanwhile. It says how often, and not of which VM. Each is made up for
    when the vCPU's next KVM_RUN begins, if there is one and KVM's function tells of it."""
    return int(page.sum("kvm_exporter_probe_missed_total", probe="kvm_userspace_exit") or 0)


def differing(want, page, label):
    """{(vCPU, what): (the guest's count, the exporter's)} of the VM with this label, where they differ. Userspace exits
    that the kernel skipped, of whichever VM, may be missing."""
    have = exported_counts([sample for sample in page.samples if sample.labels.get("vm") == label])
    found = {key: (want[key], have[key]) for key in want | have if want[key] != have[key]}
    lacking = want["", "userspace exits"] - have["", "userspace exits"]
    if 0 < lacking <= skipped_userspace_exits(page):
        del found["", "userspace exits"]
    return found
