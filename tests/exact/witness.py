"""The independent witness: what the kernel's own tracing counted, and how it names things."""

import re
import sys
from collections import defaultdict

EVENTS = ["kvm_exit", "kvm_msr", "kvm_hv_timer_state", "kvm_vcpu_wakeup", "kvm_userspace_exit", "kvm_pio",
          "kvm_mmio", "kvm_fast_mmio", "kvm_set_irq"]
OTHERS = ["kvm_entry", "kvm_cpuid", "kvm_apic_accept_irq", "kvm_eoi", "kvm_hypercall"]
MMIO_TYPES = {"unsatisfied-read": 0, "read": 1, "write": 2}


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
        elif event == "kvm_pio":
            rw, port = re.match(r"pio_(\w+) at (0x[0-9a-f]+)", rest).groups()
            fields |= {"rw": int(rw == "write"), "port": int(port, 0)}
        elif event == "kvm_mmio":
            kind, gpa = re.match(r"mmio ([\w-]+) len \d+ gpa (0x[0-9a-f]+)", rest).groups()
            fields |= {"type": MMIO_TYPES[kind], "gpa": int(gpa, 0)}
        elif event == "kvm_fast_mmio":
            fields["gpa"] = int(re.search(r"gpa (0x[0-9a-f]+)", rest)[1], 0)
        elif event == "kvm_set_irq":
            fields["gsi"] = int(re.match(r"gsi (\d+)", rest)[1])
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
