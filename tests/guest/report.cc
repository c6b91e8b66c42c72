// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <unistd.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "exit_names.h"
#include "json.h"
#include "kvm_stats.h"

namespace kvmx::guest {
namespace {

std::string_view ending_name(Ending ending) {
  switch (ending) {
    case Ending::not_yet:
      return "not-yet";
    case Ending::program:
      return "program";
    case Ending::kicked:
      return "kicked";
  }
  return "";
}

void write_optional(JsonWriter& json, std::string_view name, const std::optional<Stats>& stats) {
  if (stats) json.key(name).members(*stats);
}

void write_guest(JsonWriter& json, const GuestPage& page) {
  json.key("guest").open('{');
  json.member("iterations", page.iterations);
  json.member("timer_writes",
              page.msrs[KVMX_SLOT_TSC_DEADLINE].writes + page.msrs[KVMX_SLOT_TMICT].writes);
  json.member("interrupts", page.interrupts);
  json.member("eois", page.msrs[KVMX_SLOT_EOI].writes);
  json.member("spurious", page.spurious);
  json.member("halts", page.halts);
  json.member("gp_faults", page.gp_faults);
  json.member("cpuids", page.cpuids);
  json.member("mmio_writes", page.mmio_writes);
  json.member("hypercalls", page.hypercalls);
  json.member("pauses", page.pauses);
  // The three kinds of port writes there are.
  json.member("pio_writes", page.pio_writes);
  json.member("yields", page.yields);
  json.member("ends", page.ends);
  json.close('}');
}

// Accesses to ports and pages, whoever answers them.
void write_io(JsonWriter& json, const GuestPage& page) {
  std::vector<IoRecord> records{{KVMX_PORT_WORK, 0, page.pio_writes},
                                {KVMX_PORT_YIELD, 0, page.yields},
                                {KVMX_PORT_END, 0, page.ends},
                                {KVMX_MMIO_GPA, 0, page.mmio_writes}};
  records.insert(records.end(), std::begin(page.io), std::end(page.io));
  json.key("io").open('[');
  for (const IoRecord& record : records) {
    if (record.reads == 0 && record.writes == 0) continue;
    json.open('{');
    json.member("space", record.address <= KVMX_LAST_PORT ? "port" : "mmio");
    json.member("address", std::string_view{hex(record.address)});
    json.member("reads", record.reads);
    json.member("writes", record.writes);
    json.close('}');
  }
  json.close(']');
}

void write_msrs(JsonWriter& json, const Vcpu& vcpu) {
  json.key("msrs").open('[');
  for (const auto& record : vcpu.msr_records()) {
    json.open('{');
    json.member("index", std::string_view{hex(record.index)});
    json.member("reads", record.reads);
    json.member("writes", record.writes);
    json.member("read_faults", record.read_faults);
    json.member("write_faults", record.write_faults);
    json.close('}');
  }
  json.close(']');
}

void write_vcpu(JsonWriter& json, int vm_fd, const Vcpu& vcpu) {
  json.open('{');
  json.member("vcpu", vcpu.id());
  json.key("threads").open('[');
  for (const auto& thread : vcpu.threads()) {
    json.open('{');
    json.member("tid", thread.tid);
    json.member("runs", thread.runs);
    json.member("wall_ns", thread.wall_ns);
    json.member("cpu_ns", thread.cpu_ns);
    json.close('}');
  }
  json.close(']');
  json.member("tsc_khz", vcpu.tsc_khz());
  json.member("ended", ending_name(vcpu.ending()));
  write_guest(json, vcpu.page());
  write_msrs(json, vcpu);
  write_io(json, vcpu.page());
  json.key("kvm_run").members(vcpu.returns());
  write_optional(json, "stats", read_stats_fd(vcpu.fd()));
  write_optional(json, "debugfs", read_debugfs_vcpu(::getpid(), vm_fd, vcpu.id()));
  json.close('}');
}

// By interrupt line, those that the VMM itself has made. Each pulse is two.
std::map<std::string, std::uint64_t> line_changes(const Options& options) {
  std::map<std::string, std::uint64_t> changes;
  if (options.irqs != 0) changes["5"] = 2 * options.irqs;
  if (options.lines != 0)
    for (const char* line : {"4", "11", "30"}) changes[line] = 2 * options.lines;
  return changes;
}

void write_head(JsonWriter& json, std::string_view event, const Options& options) {
  json.member("event", event);
  json.member("program", options.program->name);
  json.member("pid", ::getpid());
}

}  // namespace

std::string ready_line(const Options& options, const Session& session) {
  JsonWriter json;
  json.open('{');
  write_head(json, "ready", options);
  json.key("vms").open('[');
  for (std::size_t i = 0; i < session.vms().size(); ++i) {
    const auto& state = session.vms()[i];
    json.open('{');
    json.member("vm", i);
    json.member("fd", state.vm->fd());
    json.key("vcpus").open('[');
    for (std::size_t k = 0; k < state.vcpus.size(); ++k) {
      json.open('{');
      json.member("vcpu", state.vcpus[k]->id());
      json.member("tid", session.first_tid(i, k));
      json.close('}');
    }
    json.close(']');
    json.close('}');
  }
  json.close(']');
  json.close('}');
  return json.text();
}

std::string report_line(const Options& options, const Session& session) {
  JsonWriter json;
  json.open('{');
  write_head(json, "report", options);
  json.member("count", options.parameters.count);
  json.key("vms").open('[');
  for (std::size_t i = 0; i < session.vms().size(); ++i) {
    const auto& state = session.vms()[i];
    json.open('{');
    json.member("vm", i);
    json.member("fd", state.vm->fd());
    json.key("line_changes").members(line_changes(options));
    write_optional(json, "debugfs", read_debugfs_vm(::getpid(), state.vm->fd()));
    json.key("vcpus").open('[');
    for (const auto& vcpu : state.vcpus) write_vcpu(json, state.vm->fd(), *vcpu);
    json.close(']');
    json.close('}');
  }
  json.close(']');
  json.close('}');
  return json.text();
}

}  // namespace kvmx::guest
