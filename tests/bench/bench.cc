// SPDX-License-Identifier: Apache-2.0
// What a scrape costs, by the number of series, beside what it would cost with prometheus-cpp and
// what it must cost at least. See README.md here for how to run it and what to read from it.
//
// usage: bench [--benchmark_...]   the benchmark
//        bench --sizing            the table of Sizing in deploy/README.md
//        bench --page              the exposition of that table's host, by default settings
#include <benchmark/benchmark.h>

#include <cstring>
#include <iostream>
#include <map>
#include <string>

#include "exporter/base/clock.h"
#include "exporter/metrics/write_exposition.h"
#include "exporter/web/gzip.h"
#include "tests/bench/allocations.h"
#include "tests/bench/diagnose.h"
#include "tests/bench/host.h"
#include "tests/bench/peak_memory.h"
#include "tests/bench/references.h"
#include "tests/bench/scrape.h"
#include "tests/bench/sizing.h"

namespace kvmx::bench {
namespace {

constexpr double kMega = 1e6;

Snapshot snapshot_of(std::int64_t series) {
  SlotReader reader(monotonic_ns);
  return Host(HostSize::of_exits(static_cast<std::size_t>(series))).snapshot(reader);
}

/// Measures `work`, which returns how many bytes it made.
template <typename Work>
void measure(benchmark::State& state, Work work) {
  std::size_t bytes = work();
  const std::uint64_t before = allocations();
  for (auto _ : state) benchmark::DoNotOptimize(bytes = work());
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["allocs"] = benchmark::Counter(static_cast<double>(allocations() - before),
                                                benchmark::Counter::kAvgIterations);
  state.counters["MB"] = static_cast<double>(bytes) / kMega;
}

/// Slots to snapshot.
void collect(benchmark::State& state) {
  const Host host(HostSize::of_exits(static_cast<std::size_t>(state.range(0))));
  SlotReader reader(monotonic_ns);
  measure(state, [&] { return host.snapshot(reader).vms.size() * 0; });
}

/// Snapshot to text.
void render(benchmark::State& state, Format format) {
  const Snapshot snapshot = snapshot_of(state.range(0));
  measure(state, [&] {
    std::size_t bytes = 0;
    write_exposition(snapshot, {}, {.format = format},
                     [&bytes](std::string_view piece) { bytes += piece.size(); });
    return bytes;
  });
}

/// Text to gzip.
void gzip(benchmark::State& state) {
  const std::string exposition = render_exposition(snapshot_of(state.range(0)), {}).text;
  measure(state, [&] {
    std::size_t bytes = 0;
    GzipStream stream([&bytes](std::string_view piece) { bytes += piece.size(); });
    for (std::size_t at = 0; at < exposition.size(); at += TextStream::kPiece)
      stream.write(std::string_view(exposition).substr(at, TextStream::kPiece));
    stream.finish();
    return bytes;
  });
}

/// Slots to a client on loopback, through the real server.
void scrape(benchmark::State& state, const std::string& header) {
  const ServedHost served(HostSize::of_exits(static_cast<std::size_t>(state.range(0))));
  Client client(served.port());
  measure(state, [&] { return client.scrape(header); });
}

void lower_bound(benchmark::State& state) {
  LowerBound least(snapshot_of(state.range(0)));
  measure(state, [&] { return least.write(); });
}

void prometheus_cpp(benchmark::State& state) {
  const RegistryPath registry(snapshot_of(state.range(0)));
  measure(state, [&] { return registry.exposition().size(); });
}

/// The peak of a process that does nothing but this.
void peak(benchmark::State& state, const std::string& of) {
  for (auto _ : state) {
    const double bytes = peak_memory_of("--peak-of=" + of + ' ' + std::to_string(state.range(0)));
    state.counters["MiB"] = bytes / (1U << 20U);
  }
}

/// In the child: prints its own peak after `of`.
int print_peak(const std::string& of, std::size_t series) {
  if (of == "scrape") {
    const ServedHost served(HostSize::of_exits(series));
    Client client(served.port());
    for (int i = 0; i < 5; ++i) client.scrape(i % 2 == 0 ? "" : "Accept-Encoding: gzip\r\n");
    std::cout << peak_memory() << '\n';
  } else {
    const RegistryPath registry(snapshot_of(static_cast<std::int64_t>(series)));
    benchmark::DoNotOptimize(registry.exposition());
    std::cout << peak_memory() << '\n';
  }
  return 0;
}

/// One second of following 4,096 vCPUs; its CPU time is what the exporter takes of one CPU.
void diagnosis(benchmark::State& state, bool storming) {
  DiagnosedHost host(storming);
  std::size_t findings = 0;
  for (auto _ : state) {
    state.PauseTiming();
    host.pass();
    state.ResumeTiming();
    findings = host.diagnose();
  }
  state.counters["findings"] = static_cast<double>(findings);
}

void add_benchmarks() {
  benchmark::RegisterBenchmark("diagnosis/busy", diagnosis, false)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("diagnosis/storming", diagnosis, true)
      ->Unit(benchmark::kMillisecond);
  const auto with_sizes = [](benchmark::internal::Benchmark* made) {
    for (const int series : {1'000, 100'000, 1'000'000}) made->Arg(series);
    made->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();
  };
  const auto add = [&](const char* name, auto function, auto... arguments) {
    with_sizes(benchmark::RegisterBenchmark(name, function, arguments...));
  };
  add("collect", collect);
  add("render/text", render, Format::text);
  add("render/openmetrics", render, Format::openmetrics);
  add("render/protobuf", render, Format::protobuf);
  add("gzip", gzip);
  add("scrape/plain", scrape, std::string());
  add("scrape/gzip", scrape, std::string("Accept-Encoding: gzip\r\n"));
  add("lower-bound", lower_bound);
  add("prometheus-cpp", prometheus_cpp);
  add("peak/scrape", peak, std::string("scrape"));
  add("peak/prometheus-cpp", peak, std::string("prometheus-cpp"));
}

}  // namespace
}  // namespace kvmx::bench

int main(int argc, char** argv) {
  const std::string_view first = argc == 2 ? argv[1] : "";
  if (first == "--sizing") {
    std::cout << kvmx::bench::sizing_table();
    return 0;
  }
  if (first == "--page") {
    std::cout << kvmx::bench::typical_exposition(kvmx::PerVcpu::counts);
    return 0;
  }
  constexpr std::string_view kPeakOf = "--peak-of=";
  if (argc == 3 && std::string_view(argv[1]).starts_with(kPeakOf))
    return kvmx::bench::print_peak(argv[1] + kPeakOf.size(), std::stoul(argv[2]));
  kvmx::bench::add_benchmarks();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
