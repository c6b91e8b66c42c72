# SPDX-License-Identifier: Apache-2.0
# What can be said of the sources without running the exporter. No test here needs root.
kvmx_test(lint static 300 "${here}/lint/run.sh")
kvmx_test(unit-results static 60 "${here}/lib/unit_results_test.sh")
kvmx_test(rules static 900 "${here}/rules/run.sh" "${PROJECT_BINARY_DIR}/rules")
kvmx_test(rules-newer static 600 "${here}/lib/newer_prometheus.sh" "${here}/rules/promtool.sh")
set_tests_properties(rules PROPERTIES COST 130)
set_tests_properties(rules-newer PROPERTIES COST 60)
kvmx_slow(rules-newer)
kvmx_test(golden static 120 /usr/bin/python3 "${here}/golden/check.py") # Debian's has the parser
kvmx_test(dashboards static 600 "${here}/dashboards/run.sh" "${PROJECT_BINARY_DIR}/dashboards")
kvmx_test(chart static 600 python3 "${here}/deploy/chart_test.py" "$<TARGET_FILE:kvm_exit_exporter>")
kvmx_test(fleet-targets static 120 /usr/bin/python3 "${here}/deploy/targets_test.py")
kvmx_waits(fleet-targets)
# Exposure 2.0 or less, without a systemd that runs.
kvmx_test(unit-exposure static 60 systemd-analyze security --offline=yes --threshold=20 --no-pager
          "${PROJECT_SOURCE_DIR}/deploy/systemd/kvm-exit-exporter.service")

# On demand. The pictures of the dashboards: whoever changes a dashboard draws it, and the test
# "dashboards" fails until then.
option(KVMX_RENDER "Draw the dashboards and the exporter's pages, too" OFF)
if(KVMX_RENDER)
  kvmx_test(dashboards-render static 2400 "${here}/dashboards/render.sh" "${PROJECT_BINARY_DIR}/render")
  add_executable(demo_pages dashboards/render/demo_pages.cc unit/diagnosis/simulated_host.cc)
  target_link_libraries(demo_pages PRIVATE kvmx::web_pages)
  kvmx_test(pages-render static 600 "${here}/dashboards/pages.sh" "$<TARGET_FILE:demo_pages>" "${PROJECT_BINARY_DIR}/render")
  set_tests_properties(pages-render PROPERTIES DEPENDS dashboards-render)
endif()
option(KVMX_MUTANTS "Change every rule in many ways, and see that a test notices: an hour" OFF)
if(KVMX_MUTANTS)
  kvmx_test(rules-mutants static 7200 python3 "${here}/rules/mutate.py"
            "${PROJECT_SOURCE_DIR}/deploy/prometheus/rules")
endif()
