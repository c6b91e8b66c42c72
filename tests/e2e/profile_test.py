#!/usr/bin/env python3
"""profile_test.py EXPORTER GUEST: `profile` counts every exit at its instruction, exactly.

In an emulated AMD host. Known guests run while it counts. What it prints is compared with the
kernel's own trace of kvm_exit by address, reason and vCPU, with the guest's own counts, and with
the guest's code. An exporter counts beside it, undisturbed.
"""

import collections
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from exporter import PATIENCE, Exporter
from guests import Guests
from tracing import TRACEFS, mount_tracefs
from verdict import Verdict

GUEST_CODE = 0x10000  # where kvmx-guest puts its code
HLT, WRMSR, RDMSR, CPUID, OUT = b"\xf4", b"\x0f\x30", b"\x0f\x32", b"\x0f\xa2", b"\xef"
KINDS = {"hlt": HLT, "cpuid": CPUID, "io": OUT}


class Witness:
    """The kernel's own trace of kvm_exit: its histogram by address, reason and vCPU, or, as Debian's 5.10 has no
    histograms, its lines."""

    def __init__(self):
        self.directory = TRACEFS / "instances" / "kvmx-profile"
        self.directory.mkdir()
        self.event = self.directory / "events" / "kvm" / "kvm_exit"
        self.histogram = "hist:keys=guest_rip.hex,exit_reason,vcpu_id:size=65536"
        self.counts_itself = (self.event / "hist").exists()
        self.begin()

    def begin(self):
        if self.counts_itself:
            (self.event / "trigger").write_text(self.histogram)
        else:
            (self.directory / "buffer_size_kb").write_text("65536")
            (self.event / "enable").write_text("1")

    def read(self):
        """{(rip, reason, vcpu): exits}"""
        if not self.counts_itself:
            lines = re.findall(r" kvm_exit: vcpu (\d+) reason (\S+) rip (0x[0-9a-f]+) ",
                               (self.directory / "trace").read_text())
            return dict(collections.Counter((int(rip, 16), reason_number(reason), int(vcpu))
                                            for vcpu, reason, rip in lines))
        entries = re.findall(r"\{ guest_rip: *(?:0x)?([0-9a-f]+), exit_reason: *(\d+), vcpu_id: *(\d+) \}"
                             r" hitcount: *(\d+)", (self.event / "hist").read_text())
        return {(int(rip, 16), int(reason), int(vcpu)): int(hits) for rip, reason, vcpu, hits in entries}

    def clear(self):
        self.end()
        self.begin()

    def end(self):
        if self.counts_itself:
            (self.event / "trigger").write_text("!" + self.histogram)
        else:
            (self.event / "enable").write_text("0")
            (self.directory / "trace").write_text("")

    def remove(self):
        self.end()
        self.directory.rmdir()


class GuestCode:
    """The bytes of the guest's programs, by guest address."""

    def __init__(self, binary):
        self.bytes = pathlib.Path(binary).read_bytes()
        symbols = subprocess.run(["nm", binary], check=True, capture_output=True, text=True).stdout
        address = int(re.search(r"^([0-9a-f]+) \w kvmx_guest_begin$", symbols, re.M)[1], 16)
        headers = subprocess.run(["readelf", "-SW", binary], check=True, capture_output=True,
                                 text=True).stdout
        for start, offset, size in re.findall(
                r"\] \S+ +\w+ +([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ", headers):
            if int(start, 16) <= address < int(start, 16) + int(size, 16):
                self.offset = int(offset, 16) + address - int(start, 16)

    def has(self, rip, code):
        at = self.offset + rip - GUEST_CODE
        return self.bytes[at:at + len(code)] == code


class Profiler:
    """`profile` as a child process."""

    def __init__(self, binary, vm, *options):
        self.process = subprocess.Popen([binary, "profile", vm, "--duration=1h", *options],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + PATIENCE
        while self.attached() < 2:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"FAILED: profile did not start: {self.process.communicate()}")
            time.sleep(0.1)
        time.sleep(0.5)  # the program is set right after the second event is opened

    def attached(self):
        """How many events it has opened."""
        found = 0
        try:
            for name in os.listdir(f"/proc/{self.process.pid}/fd"):
                found += os.readlink(f"/proc/{self.process.pid}/fd/{name}") == "anon_inode:[perf_event]"
        except OSError:
            return 0
        return found

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        out, error = self.process.communicate(timeout=PATIENCE)
        if self.process.returncode:
            print(error, flush=True)
        return out


def reason_number(name):
    """SVM's codes of the reasons that these guests have."""
    return {"hlt": 0x78, "msr": 0x7c, "io": 0x7b, "cpuid": 0x72, "npf": 0x400, "interrupt": 0x60,
            "vintr": 0x64, "vmmcall": 0x81, "nmi": 0x61, "pause": 0x77}.get(name) or int(name, 16)


def counted(profile):
    """{(rip, reason, vcpu): exits} of its JSON."""
    found = collections.Counter()
    for place in profile["places"]:
        found[int(place["rip"], 16), reason_number(place["reason"]), place["vcpu"]] += place["exits"]
    return dict(found)


def differences(ours, kernels):
    keys = {key for key in {**ours, **kernels} if ours.get(key, 0) != kernels.get(key, 0)}
    return [(hex(key[0]), *key[1:], ours.get(key, 0), kernels.get(key, 0)) for key in sorted(keys)]


class Case:
    def __init__(self, verdict, binary, guests, witness, code):
        self.verdict, self.binary, self.guests = verdict, binary, guests
        self.witness, self.code = witness, code

    def run(self, name, *guest_options, options=("--json", "--per-vcpu")):
        """(what it prints, report of the guest, the kernel's trace)"""
        self.witness.clear()
        guest = self.guests.hold(name, *guest_options, "--hold-before", "--hold-after")
        profiler = Profiler(self.binary, name, *options)
        report = self.guests.work(guest)
        out = profiler.end()
        kernels = self.witness.read()
        self.guests.go_on(guest)
        guest.wait(PATIENCE)
        return out, report["vms"][0]["vcpus"], kernels

    def exact(self, name, *guest_options):
        out, vcpus, kernels = self.run(name, *guest_options)
        profile = json.loads(out)
        wrong = differences(counted(profile), kernels)
        self.verdict.check(not wrong and profile["exits"] == sum(kernels.values()) > 0,
                           f"{name}: {profile['exits']} exits at {len(kernels)} addresses, as the"
                           f" kernel's own trace has them{': ' if wrong else ''}{wrong or ''}")
        self.check_instructions(name, profile)
        return profile, vcpus

    def check_instructions(self, name, profile):
        wrong = []
        for place in profile["places"]:
            code = KINDS.get(place["reason"])
            if place["reason"] == "msr":
                code = WRMSR if place["op"] == "write" else RDMSR
            if code and not self.code.has(int(place["rip"], 16), code):
                wrong.append(place)
        self.verdict.check(not wrong, f"{name}: each address holds the instruction that exits {wrong or ''}")

    def equal(self, name, ours, guests):
        self.verdict.check(ours == guests, f"{name}: {ours}, by the guest itself {guests}")


def exits(profile, **wanted):
    return sum(place["exits"] for place in profile["places"]
               if all(place.get(key) == value for key, value in wanted.items()))


def msr_counts(vcpus):
    """{(index, op): accesses} by the guest itself."""
    found = collections.Counter()
    for vcpu in vcpus:
        for record in vcpu["msrs"]:
            found[record["index"], "read"] += record["reads"]
            found[record["index"], "write"] += record["writes"]
    return {key: count for key, count in found.items() if count}


def profiled_msrs(profile):
    found = collections.Counter()
    for place in profile["places"]:
        if place["reason"] == "msr":
            found[place.get("index", "unknown"), place["op"]] += place["exits"]
    return dict(found)


def known_guests(case):
    profile, vcpus = case.exact("profile-halt", "--program", "deadline-halt", "--rate", 250, "--count", 200,
                                "--vcpus", 2)
    case.equal("halts", exits(profile, reason="hlt"), sum(v["guest"]["halts"] for v in vcpus))
    case.equal("MSRs", profiled_msrs(profile), msr_counts(vcpus))
    case.verdict.check({place["vcpu"] for place in profile["places"]} == {0, 1}, "both vCPUs are there")
    profile, vcpus = case.exact("profile-cpuid", "--program", "cpuid", "--count", 500)
    case.equal("CPUIDs", exits(profile, reason="cpuid"), vcpus[0]["guest"]["cpuids"])
    profile, vcpus = case.exact("profile-pio", "--program", "pio", "--count", 300)
    case.equal("port writes", exits(profile, port="0x502", op="write"), vcpus[0]["guest"]["pio_writes"])
    profile, vcpus = case.exact("profile-msr", "--program", "random-msr", "--count", 2000, "--indices", 40,
                                "--deadlines", 40)
    case.equal("random MSRs", profiled_msrs(profile), msr_counts(vcpus))


def forms(case):
    """The ways to choose and to print."""
    halting = ("--program", "deadline-halt", "--rate", 250, "--count", 100, "--vcpus", 2)
    out, vcpus, kernels = case.run("profile-folded", *halting, options=("--folded",))
    print(out, flush=True)
    total = sum(int(line.rsplit(" ", 1)[1]) for line in out.splitlines())
    case.verdict.check(total == sum(kernels.values()), f"folded: {total} exits, all")
    out, vcpus, kernels = case.run("profile-reason", *halting, options=("--json", "--reason=HLT"))
    profile = json.loads(out)
    case.verdict.check({place["reason"] for place in profile["places"]} == {"hlt"}
                       and profile["exits"] == sum(v["guest"]["halts"] for v in vcpus)
                       and profile["exits"] + profile["exits_for_other_reasons"] == sum(kernels.values()),
                       f"--reason: {profile['exits']} halts and {profile['exits_for_other_reasons']} other exits")
    out, vcpus, kernels = case.run("profile-table", *halting, options=("--top=3",))
    print(out, flush=True)
    case.verdict.check(all(word in out for word in ("share", "hlt", "write IA32_TSC_DEADLINE", "--top=0 shows all",
                                                    "lapic_next_deadline")), "the table has the leading places")
    out, vcpus, kernels = case.run("profile-rate", "--program", "deadline-halt", "--rate", 100, "--count", 300,
                                   options=("--json", "--rate=20"))
    profile = json.loads(out)
    part = profile["counted_seconds"] / profile["seconds"]
    case.verdict.check(part < 0.5 and 0 < profile["exits"] < sum(kernels.values()),
                       f"--rate=20: {profile['exits']} of {sum(kernels.values())} exits in {part:.2f} of the time")


def full_table(case):
    out, _, kernels = case.run("profile-full", "--program", "random-msr", "--count", 60000, "--indices", 50000,
                               options=("--json",))
    profile = json.loads(out)
    other = sum(profile["other"].values())
    placed = sum(place["exits"] for place in profile["places"])
    case.verdict.check(other > 0 and placed + other == profile["exits"] == sum(kernels.values()),
                       f"more places than there is room for: {len(profile['places'])} places with {placed} exits"
                       f" and {other} others, all {sum(kernels.values())}")


def fails(verdict, command, words):
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    text = done.stderr.strip()
    verdict.check(done.returncode == 1 and len(text.splitlines()) == 1 and words in text, f"says: {text}")


def errors(case):
    guest = case.guests.start("profile-idle", "--program", "deadline-halt", "--rate", 20, "--count", 0)
    time.sleep(2)
    fails(case.verdict, [case.binary, "profile", "nobody"], "there is no VM nobody")
    fails(case.verdict, [case.binary, "profile", "profile-idle", "--reason=nonsense"], "no such reason")
    fails(case.verdict, [case.binary, "profile", "profile-idle", "--duration=1s", "--reason=vmrun"], "no such exit")
    fails(case.verdict, ["setpriv", "--inh-caps=-all", "--bounding-set=-all", "--ambient-caps=-all",
                         case.binary, "profile", "profile-idle"], "This needs root")
    fails(case.verdict, [case.binary, "profile", "profile-idle", "--symbols=/etc"], "not a regular file")
    done = subprocess.run([case.binary, "profile", "profile-idle", "--symbols=/etc/hostname", "--duration=1s"],
                          capture_output=True, text=True, check=False, timeout=PATIENCE)
    case.verdict.check(done.returncode == 0 and "neither a System.map" in done.stdout and "share" in done.stdout,
                       f"with symbols that are none there are places without names: {done.stdout[-300:]}")
    profiler = Profiler(case.binary, str(guest.pid), "--json")
    time.sleep(2)
    guest.terminate()
    guest.wait(PATIENCE)
    profile = json.loads(profiler.process.communicate(timeout=PATIENCE)[0])
    case.verdict.check(profile["ended"] and profile["exits"] > 0,
                       f"by pid; {profile['exits']} exits before the VM ended, after {profile['seconds']:.1f} s")


def main():
    binary, guest = sys.argv[1:3]
    verdict = Verdict()
    mount_tracefs()
    witness = Witness()
    guests = Guests(guest)
    exporter = Exporter(binary, 10195)
    code = GuestCode(os.environ.get("KVMX_GUEST", guest))  # the lab starts it by a script
    case = Case(verdict, binary, guests, witness, code)
    try:
        known_guests(case)
        page = exporter.scrape()
        mine, kernels = page.sum("kvm_exits_total", vm="profile-msr"), sum(witness.read().values())
        verdict.check(mine == kernels, f"the exporter beside it counted all {kernels} exits, too: {mine}")
        forms(case)
        errors(case)
        if os.environ.get("LAB_KERNEL", "6.1") == "6.1":  # takes long, and is the same on all
            full_table(case)
    finally:
        witness.remove()
        guests.stop()
    verdict.end()


main()
