// SPDX-License-Identifier: Apache-2.0
// Slots as a hostile guest shapes them and as a reader catches them, through the reader, sums,
// diagnosis, pages and both formats. A script of arbitrary bytes plays the kernel, also while slots
// are being read: see slot_script.h. Nothing may crash or make a page unreadable; and as long as
// the kernel's counters only grow, nothing that is shown steps back or vanishes. Seeds:
// tests/fuzz/corpus/slots.
#include <algorithm>
#include <chrono>
#include <string>
#include <tuple>

#include "exporter/counts/slot_reader.h"
#include "exporter/diagnosis/diagnosis.h"
#include "exporter/identity/vm_label.h"
#include "exporter/metrics/write_exposition.h"
#include "exporter/summary/json.h"
#include "exporter/web/pages/landing_page.h"
#include "exporter/web/pages/vm_page.h"
#include "tests/fuzz/page.h"
#include "tests/fuzz/slot_script.h"

using namespace kvmx;

namespace {

/// An exporter without a kernel: what Exporter::refresh() joins.
class Host {
 public:
  Host(Script& script, bool wild) : script_(script), wild_(wild), slots_(script, wild) {}

  void run() {
    constexpr int kPages = 6;
    for (int pages = 0; !script_.ended() && pages < kPages;) {
      switch (const std::uint8_t what = script_.peek(); what & 0x0fU) {
        case 8:
          script_.take();
          check_page();
          ++pages;
          break;
        case 9:
          script_.take();
          list();
          break;
        case 10:
          script_.take();
          ended_ = script_.take();
          break;
        default:
          slots_.step();
      }
    }
    check_page();
    check_other_forms();
  }

 private:
  /// The kernel goes on while its memory is read.
  std::uint64_t clock() {
    while (torn_ && !script_.ended() && (script_.peek() & 0x80U) != 0) slots_.step();
    return slots_.now();
  }

  void list() {
    listing_.asked = std::chrono::steady_clock::time_point(std::chrono::nanoseconds(slots_.now()));
    listing_.vcpus.clear();
    const std::uint8_t there = script_.take();
    const std::uint8_t asleep = script_.take();
    for (std::size_t i = 0; i < Slots::kCount; ++i) {
      const vcpu_slot& slot = slots_.all()[i];
      if ((there >> i & 1U) != 0)
        listing_.vcpus.push_back(
            {slot.tgid, slot.vm_start, slot.kvm, slot.vcpu_id, "vmm", (asleep >> i & 1U) != 0});
    }
    const auto key = [](const ListedVcpu& vcpu) {
      return std::tuple(vcpu.tgid, vcpu.start_ns, vcpu.kvm, vcpu.id);
    };
    std::ranges::sort(listing_.vcpus, {}, key);
    const auto twice = [&](const auto& one, const auto& other) { return key(one) == key(other); };
    listing_.vcpus.erase(
        std::unique(listing_.vcpus.begin(), listing_.vcpus.end(), twice),  // clang 14 and ranges
        listing_.vcpus.end());
  }

  bool has_ended(const VmKey& vm) const { return (ended_ >> (vm.kvm & 7U) & 1U) != 0; }

  std::string label(const VmCounts& vm) const {
    const std::uint64_t kvm = vm.key.kvm;
    return "vm" + std::to_string(vm.key.tgid) + (kvm == 0xffff0000U ? "a" : "b");
  }

  void read() {
    torn_ = true;
    std::vector<VmCounts> counts = reader_.read(
        slots_.all(), [this](const VmKey& vm) { return has_ended(vm); }, listing_, slots_.events(),
        {}, slots_.io());
    torn_ = false;
    std::vector<VmToLabel> to_label;
    counters_.resize(counts.size());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const VmKey& key = counts[i].key;
      to_label.push_back({.tgid = key.tgid,
                          .start_ns = key.start_ns,
                          .ordinal = static_cast<std::uint32_t>(i),
                          .comm = counts[i].comm});
      read_counters(counts[i], has_ended(key), counters_[i]);
    }
    const HostFacts facts{.cpus = 4, .isa = Isa::vmx, .exits_counted = true, .halts_counted = true};
    if (diagnosis_.due(slots_.now())) diagnosis_.observe(counters_, facts, slots_.now());
    const std::vector<VmLabel> labels = vm_labels(to_label);
    snapshot_ = {};
    snapshot_.event_names.assign(KVMX_EVENTS, "");
    for (std::size_t i = 0; i < KVMX_EVENTS; ++i)
      snapshot_.event_names[i] = "kvm_" + std::to_string(i);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      Vm vm;
      vm.label = wild_ ? labels[i].text : label(counts[i]);
      if (const VmDiagnosis* found = find_diagnosis(diagnosis_.diagnoses(), counts[i].key))
        vm.diagnosis = *found;
      if (has_ended(counts[i].key)) vm.state = VmState::ended;
      vm.counts = std::move(counts[i]);
      snapshot_.vms.push_back(std::move(vm));
    }
  }

  static bool may_vanish(std::string_view series) {
    // A name that gives way to a hotter one: what it had is in "other" from then on.
    if (series.starts_with("kvm_io_exits_total"))
      return series.find("address=\"other\"") == series.npos;
    return series.starts_with("kvm_msr_accesses_total") && series.find("index=\"\"") == series.npos;
  }

  void check_page() {
    read();
    const PerVcpu per_vcpu = wild_ ? PerVcpu::all : PerVcpu::counts;
    Series now = read_page(
        render_exposition(snapshot_, {}, {.format = Format::text, .per_vcpu = per_vcpu}).text);
    if (!wild_) {
      for (const auto& [series, value] : last_) {
        if (!is_counter(series) || series.starts_with("kvm_exporter_")) continue;
        const auto found = now.find(series);
        const bool there = found != now.end();
        if (!there && may_vanish(series)) continue;
        if (!there || found->second < value)
          std::fprintf(stderr, "%s %Lf, then %Lf\n", series.c_str(), value,
                       there ? found->second : -1);
        require(there, "what was shown stays");
        require(found->second >= value, "no counter steps back");
      }
    }
    last_ = std::move(now);
  }

  void check_other_forms() {
    const Series openmetrics = read_page(
        render_exposition(snapshot_, {}, {.format = Format::openmetrics, .per_vcpu = PerVcpu::none})
            .text);
    require(!openmetrics.empty(), "there is something to read");
    static_cast<void>(render_exposition(snapshot_, {}, {.format = Format::protobuf}));
    static_cast<void>(landing_page(snapshot_, "/metrics", "none"));
    for (const Vm& vm : snapshot_.vms) {
      Request request;
      request.query = "name=" + vm.label;
      static_cast<void>(vm_page(snapshot_, request));
    }
    const auto summary = parse_summary(to_json(summarize(snapshot_)));
    require(static_cast<bool>(summary), "a summary can be read");
  }

  Script& script_;
  const bool wild_;
  Slots slots_;
  SlotReader reader_{[this] { return clock(); }};
  bool torn_ = false;
  std::uint8_t ended_ = 0;  ///< by the last bits of struct kvm's address
  VcpuListing listing_;
  Diagnosis diagnosis_;
  std::vector<VmCounters> counters_;
  Snapshot snapshot_;
  Series last_;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): the name libFuzzer calls
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script script({data, size});
  const bool wild = (script.take() & 1U) != 0;
  Host(script, wild).run();
  return 0;
}
