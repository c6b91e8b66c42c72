// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "exporter/base/unique_fd.h"
#include "exporter/commands/commands.h"
#include "exporter/commands/vm_finder.h"
#include "exporter/kernel/exit_profiler.h"
#include "exporter/kernel/host.h"
#include "exporter/kernel/libbpf_log.h"
#include "exporter/names/exit_reasons.h"
#include "exporter/profile/advice.h"
#include "exporter/profile/instructions.h"
#include "exporter/profile/places.h"
#include "exporter/profile/report.h"
#include "exporter/profile/slide.h"
#include "exporter/profile/symbol_file.h"
#include "exporter/sandbox/sandbox.h"

namespace kvmx {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

/// How long it is counted at a time, if not all the time.
constexpr milliseconds kSlice(100);
constexpr std::size_t kPlacesInTable = 20;

Result<std::vector<std::uint32_t>> reason_codes(Isa isa, const std::vector<std::string>& names) {
  std::vector<std::uint32_t> codes;
  for (const std::string& name : names) {
    const std::optional<std::uint32_t> code = reason_code(isa, name);
    if (!code)
      return Error{"--reason=" + name +
                   ": this host's exits have no such reason. The label reason "
                   "of kvm_exits_total has their names, such as " +
                   (isa == Isa::vmx ? "MSR_WRITE or HLT" : "msr or hlt")};
    codes.push_back(*code);
  }
  if (codes.size() > KVMX_PROFILE_CHOSEN)
    return Error{"--reason: at most " + std::to_string(KVMX_PROFILE_CHOSEN) + " reasons"};
  return codes;
}

/// What ends the counting before its time: a signal, or the end of the VM's process.
class Interruption {
 public:
  explicit Interruption(std::uint32_t process)
      : process_(static_cast<int>(::syscall(SYS_pidfd_open, process, 0))) {
    sigset_t signals;
    sigemptyset(&signals);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signals_ = UniqueFd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  /// Waits so long at most. Returns whether it came.
  bool wait_until(Clock::time_point end) const {
    for (;;) {
      const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
      if (left.count() <= 0) return false;
      std::array<pollfd, 2> waited = {pollfd{signals_.get(), POLLIN, 0},
                                      pollfd{process_.get(), POLLIN, 0}};
      const int ready = ::poll(waited.data(), waited.size(), static_cast<int>(left.count()));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return true;
    }
  }

 private:
  UniqueFd process_;  ///< readable when it has ended
  UniqueFd signals_;
};

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

/// Counts until the time is up: all of it, or in slices.
Result<void> count(ExitProfiler& profiler, const ProfileOptions& options,
                   const Interruption& interruption, Profile& profile) {
  const Clock::time_point begin = Clock::now();
  const Clock::time_point end = begin + milliseconds(options.duration_ms);
  const milliseconds every = kSlice * 100 / options.percent;
  bool over = false;
  while (!over && Clock::now() < end) {
    const Clock::time_point from = Clock::now();
    if (Result<void> started = profiler.start(); !started) return started;
    const Clock::time_point started = Clock::now();
    over = interruption.wait_until(options.percent == 100 ? end : std::min(end, from + kSlice));
    profile.counted_seconds += seconds(Clock::now() - started);
    profiler.stop();
    if (!over && options.percent != 100)
      over = interruption.wait_until(std::min(end, from + every));
  }
  profile.seconds = seconds(Clock::now() - begin);
  return {};
}

Error nothing_seen(const Profile& profile, const ProfileOptions& options) {
  if (profile.ended) return Error{profile.vm + " has ended, and made no exit before that"};
  std::string why = "its vCPUs slept, or were in the guest all the time";
  if (profile.counts.not_chosen != 0) why = "there were only exits for other reasons";
  if (profile.isa == Isa::other)
    why = "this host's KVM is neither AMD's nor Intel's, and never raises kvm_exit";
  return Error{profile.vm + " made no " + (options.reasons.empty() ? "exit" : "such exit") + ": " +
               why};
}

/// Where the kernel is of which the symbols are, if they are this one's, and what to say of it.
std::optional<std::int64_t> read_symbols(SymbolFile& symbols, Report& report,
                                         const ProfileOptions& options,
                                         const std::vector<Place>& places) {
  constexpr const char* kNoNames = ". No names are shown.";
  if (const Result<void> parsed = symbols.parse(); !parsed) {
    report.symbols = parsed.error().message + kNoNames;
    return std::nullopt;
  }
  const Result<Slide> slide =
      find_slide(symbols.image(), known_instructions(report.profile.isa, places));
  report.symbols =
      options.symbols + ": " + (slide ? slide->text() : slide.error().message + kNoNames);
  return slide ? std::optional(slide->bytes) : std::nullopt;
}

/// Ranks the places, names them if the symbols are this kernel's, and says what that suggests.
void make_ranking(Report& report, const ProfileOptions& options, SymbolFile* symbols) {
  const std::vector<Place> places = rank(report.profile.counts, options.per_vcpu);
  if (symbols) report.slide = read_symbols(*symbols, report, options, places);
  for (const Place& place : places) report.ranking.push_back({place, std::nullopt});
  if (report.slide) name_places(symbols->image(), *report.slide, report.ranking);
  report.low_kernel = has_low_kernel(report);
  report.notes = advise(report);
}

void print(const Report& report, const ProfileOptions& options) {
  std::string text;
  if (options.json)
    text = profile_json(report, options.top.value_or(0));
  else if (options.folded)
    text = folded_text(report);
  else
    text = table_text(report, options.top.value_or(kPlacesInTable));
  std::fwrite(text.data(), 1, text.size(), stdout);
}

}  // namespace

Result<void> profile(const Options& all_options) {
  const ProfileOptions& options = all_options.profile;
  route_libbpf_log();
  std::optional<SymbolFile> symbols;
  if (!options.symbols.empty()) {
    Result<SymbolFile> opened = SymbolFile::open(options.symbols);
    if (!opened) return Error{"--symbols: " + opened.error().message};
    symbols = std::move(*opened);
  }
  const HostInfo host = read_host();
  const Result<std::vector<std::uint32_t>> reasons = reason_codes(host.isa, options.reasons);
  if (!reasons) return reasons.error();
  const Result<FoundVm> vm = find_vm(options.vm);
  if (!vm) return vm.error();
  Result<ExitProfiler> profiler = ExitProfiler::load(vm->key.tgid, host.isa, *reasons);
  if (!profiler) return profiler.error();
  const Interruption interruption(vm->key.tgid);
  Profile profile{
      .vm = vm->label, .pid = vm->key.tgid, .vcpus = vm->vcpus, .vms = vm->vms, .isa = host.isa};
  if (::isatty(STDERR_FILENO) != 0)
    std::fprintf(stderr, "Counting the exits of %s for %g s ...\n", vm->label.c_str(),
                 static_cast<double>(options.duration_ms) / 1000);
  if (Result<void> counted = count(*profiler, options, interruption, profile); !counted)
    return counted;
  profile.ended = !vm_exists(vm->key);
  enter_terminal_sandbox();  // what is read from here on may be written by the guest
  Result<ProfileCounts> counts = profiler->counts();
  if (!counts) return counts.error();
  profile.counts = std::move(*counts);
  if (profile.exits() == 0) return nothing_seen(profile, options);
  if (addresses_are_hidden(profile))
    return Error{profile.vm + " made " + std::to_string(profile.exits()) +
                 " exits, all at the address " +
                 address_text(profile.counts.places.front().place.rip) +
                 ": its registers are hidden from the host, as those of encrypted guests are "
                 "(SEV-ES, SEV-SNP, TDX)"};
  Report report;
  report.profile = std::move(profile);
  make_ranking(report, options, symbols ? &*symbols : nullptr);
  print(report, options);
  return {};
}

}  // namespace kvmx
