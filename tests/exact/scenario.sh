#!/bin/sh
# scenario.sh EXPORTER GUEST OUT: known guests under the exporter and an independent witness
#
# Runs in any host with KVM: this machine, an emulated AMD or Intel host. POSIX sh and busybox only.
# Leaves in OUT what check.py compares:
#   NAME.json       what guest NAME did, in its own words and KVM's
#   metrics.txt     what the exporter says at the end
#   hist/EVENT      what the kernel's own histograms (tracefs `hist` triggers) counted, or
#   trace.txt       every event, where the kernel has no such triggers
#   format/EVENT    the events' formats, with the kernel's names of exit reasons
#   types.txt       whose types the kernel describes
#   exporter.log
set -eu

exporter=$1 guest=$2 out=$3
port=10197
instance=/sys/kernel/tracing/instances/kvmx-exact
others="kvm_entry kvm_cpuid kvm_apic_accept_irq kvm_eoi kvm_hypercall"
events="kvm_exit kvm_msr kvm_hv_timer_state kvm_vcpu_wakeup kvm_userspace_exit
  kvm_pio kvm_mmio kvm_fast_mmio kvm_set_irq $others"
exporter_pid='' late_pid=''

say() { echo "scenario: $*"; }

# The witness counts in a tracing instance of its own, so that nobody else's tracing is touched: by
# `hist` triggers where the kernel has them, else by keeping every event.
arm_witness() {
  mkdir $instance
  if ! echo "hist:keys=common_pid,vcpu_id,exit_reason:size=4096" \
    >$instance/events/kvm/kvm_exit/trigger 2>/dev/null; then
    say "this kernel has no hist triggers: the witness keeps every event"
    echo 65536 >$instance/buffer_size_kb
    for event in $events; do echo 1 >$instance/events/kvm/"$event"/enable; done
    return
  fi
  # Three keys are the most that older kernels take.
  for half in "exception == 0" "exception != 0"; do
    echo "hist:keys=common_pid,write,ecx:size=16384 if $half" \
      >>$instance/events/kvm/kvm_msr/trigger
  done
  echo "hist:keys=common_pid,vcpu_id,hv_timer_in_use:size=4096" \
    >$instance/events/kvm/kvm_hv_timer_state/trigger
  echo "hist:keys=common_pid,waited:vals=ns:size=4096" \
    >$instance/events/kvm/kvm_vcpu_wakeup/trigger
  echo "hist:keys=common_pid,reason,errno:size=4096" \
    >$instance/events/kvm/kvm_userspace_exit/trigger
  echo "hist:keys=common_pid,rw,port:size=4096" >$instance/events/kvm/kvm_pio/trigger
  echo "hist:keys=common_pid,type,gpa:size=4096" >$instance/events/kvm/kvm_mmio/trigger
  echo "hist:keys=common_pid,gpa:size=4096" >$instance/events/kvm/kvm_fast_mmio/trigger
  echo "hist:keys=common_pid,gsi:size=4096" >$instance/events/kvm/kvm_set_irq/trigger
  for event in $others; do
    echo "hist:keys=common_pid:size=4096" >$instance/events/kvm/"$event"/trigger
  done
}

read_witness() {
  mkdir -p "$out/hist" "$out/format"
  for event in $events; do
    cat $instance/events/kvm/"$event"/format >"$out/format/$event"
    if grep -q '^hist' $instance/events/kvm/"$event"/trigger; then
      cat $instance/events/kvm/"$event"/hist >"$out/hist/$event"
    fi
  done
  cat $instance/trace >"$out/trace.txt"
}

disarm_witness() {
  [ -d $instance ] || return 0
  for event in $events; do
    echo 0 >$instance/events/kvm/"$event"/enable
    sed -n 's/^hist/!hist/; s/ \[active\]//p' $instance/events/kvm/"$event"/trigger |
      while read -r trigger; do echo "$trigger" >$instance/events/kvm/"$event"/trigger; done
  done
  rmdir $instance
}

fetch() { busybox wget -q -O - "http://127.0.0.1:$port$1"; }

start_exporter() {
  opt_in=$(echo "$others" | tr ' ' ',')
  [ -z "${KVMX_WITHOUT_BTF:-}" ] || opt_in='' # it cannot count any
  "$exporter" --web.listen-address=127.0.0.1:$port --scrape.min-interval=1ms --vm.linger=1000h \
    --collector.events="$opt_in" 2>"$out/exporter.log" &
  exporter_pid=$!
  tries=0
  until fetch /-/ready >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 60 ] || ! kill -0 $exporter_pid; then
      say "the exporter did not start:"
      cat "$out/exporter.log"
      exit 1
    fi
    sleep 0.5
  done
}

# Until the exporter knows a guest by its name, or for 15 s.
until_known() {
  tries=0
  until fetch /metrics | grep -q "^kvm_vm_info{vm=\"$1\""; do
    tries=$((tries + 1))
    [ $tries -lt 60 ] || return 0
    sleep 0.3
  done
}

# run NAME OPTION...: a guest that looks like libvirt's guest NAME. It stays, its work done, until
# the exporter has read its name: on a busy machine that may take longer than the work.
run() {
  name=$1
  shift
  say "guest $name: $*"
  until_known "$name" | busybox timeout 120 "$guest" --qemu-name "$name" --hold-after "$@" \
    >"$out/$name.json"
}

clean_up() {
  status=$?
  [ -z "$exporter_pid" ] || kill "$exporter_pid" 2>/dev/null || true
  [ -z "$late_pid" ] || kill -KILL "$late_pid" 2>/dev/null || true
  disarm_witness
  exit $status
}

mkdir -p "$out"
trap clean_up EXIT
disarm_witness

# vcpus_stand_still PID: the threads of its vCPUs have stopped. On a busy machine that takes a while.
vcpus_stand_still() {
  for stat in /proc/"$1"/task/*/stat; do
    read -r words <"$stat" || return 1
    case $words in
      *"(CPU "*") T "*) ;;
      *"(CPU "*) return 1 ;;
    esac
  done
}

# The late one runs before anyone looks. It stands still while witness and exporter start, so both
# see the same events of it: those from then on.
say "guest late: runs before the exporter"
"$guest" --qemu-name late --program deadline-halt --count 400 --rate 100 --vcpus 2 \
  >"$out/late.json" &
late_pid=$!
sleep 1
kill -STOP $late_pid
sleep 1
until vcpus_stand_still $late_pid; do sleep 1; done
arm_witness
start_exporter
kill -CONT $late_pid
wait $late_pid
late_pid=''

run halt1 --program deadline-halt --count 100 --rate 500
run halt4 --program deadline-halt --count 50 --rate 250 --vcpus 4
run spin1 --program deadline-spin --count 50 --rate 500
run tick --program tick-halt --count 100 --rate 250 --vcpus 2
run tmict --program tmict-halt --count 50 --rate 500
run periodic --program periodic-halt --count 50 --rate 250
run wrmsr --program wrmsr --msr 0x3b --count 500
run rdmsr --program rdmsr --msr 0x10a --count 300 --vcpus 2
run fault --program wrmsr --msr 0xc0ffee --count 200
run random --program random-msr --count 600 --indices 60 --deadlines 40
run cpuid4 --program cpuid --count 250 --vcpus 4
run pio --program pio --count 200
run mmio --program mmio --count 200
# With the port that ends a guest there are as many as places; and more than that.
run io --program io --count 60 --ports 7 --pages 8 --vcpus 2
run io-many --program io --count 300 --ports 20 --pages 20
# It keeps interrupts off, so that none comes.
run lines --program cpuid --count 1000 --vcpus 2 --irqs 20 --lines 100 --pit 500
# A software KVM (no LAB_ISA) may not know this instruction and never get past it.
[ -z "${LAB_ISA:-}" ] || run hypercall --program hypercall --count 200

# The VMM answers what KVM does not know, so that KVM makes no access.
[ -z "${LAB_ISA:-}" ] || run answered --program random-msr --count 400 --indices 40 --answer-msrs
# A hypervisor's own guest: KVM makes some of its accesses, and leaves others to the hypervisor.
[ "${LAB_ISA:-}" != svm ] || run nested --program nested --msr 0x10a --count 300
[ "${LAB_ISA:-}" != svm ] || run nested-fault --program nested --msr 0x1fff --count 200

# Two VMs at once.
run pair-a --program deadline-halt --count 80 --rate 200 --vcpus 2 &
pair_pid=$!
run pair-b --program cpuid --count 400 --vcpus 2
wait $pair_pid

fetch /metrics >"$out/metrics.txt"
ls /sys/kernel/btf >"$out/types.txt"
read_witness
kill $exporter_pid
wait $exporter_pid || { say "the exporter failed"; exit 1; }
exporter_pid=''
say "done"
