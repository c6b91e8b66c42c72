"""A VM with a vCPU that never runs, of the calling process, without kvmx-guest."""

import fcntl
import os

KVM_CREATE_VM = 0xAE01
KVM_CREATE_VCPU = 0xAE41


def make_vm():
    """Its descriptors: KVM's, the VM's, the vCPU's."""
    kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
    vm = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
    return kvm, vm, fcntl.ioctl(vm, KVM_CREATE_VCPU, 0)
