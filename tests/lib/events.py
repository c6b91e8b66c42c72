"""The kernel's events that are counted, in the exporter's order: event -> its collector.

And KVM's own functions, by which it tells of its vCPUs: FUNCTIONS."""

import pathlib

_FILE = pathlib.Path(__file__).with_name("events.txt")
COLLECTORS = dict(line.split() for line in _FILE.read_text().splitlines()
                  if line and not line.startswith("#"))

FUNCTIONS = {"kvm_arch_vcpu_destroy", "kvm_arch_vcpu_postcreate", "kvm_arch_vcpu_ioctl_run"}


def functions(samples):
    """Those that samples of a page say something of: all, or none on a kernel that cannot."""
    found = FUNCTIONS & {m.labels["probe"] for m in samples if m.name == "kvm_exporter_probe_attached"}
    assert found in (set(), FUNCTIONS), found
    return found
