# SPDX-License-Identifier: Apache-2.0
# Tests that run the exporter itself, on this machine or in emulated hosts. All need root. One that
# cannot run here exits with 77 and counts as skipped.
set(exporter "$<TARGET_FILE:kvm_exit_exporter>")
set(guest "$<TARGET_FILE:kvmx-guest>")
set(here "${CMAKE_CURRENT_SOURCE_DIR}")

# kvmx_host_test(NAME TIMEOUT COMMAND...)
function(kvmx_host_test name timeout)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${timeout} LABELS host)
endfunction()

add_test(NAME lint COMMAND "${here}/lint/run.sh")
add_test(NAME rules COMMAND "${here}/rules/run.sh")
add_test(NAME dashboards COMMAND "${here}/dashboards/run.sh" "${PROJECT_BINARY_DIR}/dashboards")
# Their pictures, on demand: whoever changes a dashboard draws it, and the test above sees to that.
option(KVMX_RENDER "Draw the dashboards, too" OFF)
if(KVMX_RENDER)
  add_test(NAME dashboards-render
           COMMAND "${here}/dashboards/render.sh" "${PROJECT_BINARY_DIR}/render")
  set_tests_properties(dashboards-render PROPERTIES TIMEOUT 2400)
endif()
kvmx_host_test(chart 600 env PYTHONDONTWRITEBYTECODE=1 python3 "${here}/deploy/chart_test.py"
               "${exporter}")
# Exposure 2.0 or less, without a systemd that runs.
add_test(NAME unit-exposure
         COMMAND systemd-analyze security --offline=yes --threshold=20 --no-pager
                 "${PROJECT_SOURCE_DIR}/deploy/systemd/kvm-exit-exporter.service")
# The package of this machine's Debian: made, installed, upgraded, purged, and run as a service.
set(package "${PROJECT_BINARY_DIR}/package")
kvmx_host_test(package-build 1500 "${here}/deploy/build_package.sh" "${package}")
kvmx_host_test(package-install 900 "${here}/deploy/package_test.sh" "${package}")
set_tests_properties(package-build PROPERTIES FIXTURES_SETUP package)
# Another Debian's, on demand: it is built in a system of that, from nothing.
set(KVMX_PACKAGE_SUITES "" CACHE STRING "Further suites to build the package for, such as trixie")
foreach(suite IN LISTS KVMX_PACKAGE_SUITES)
  kvmx_host_test(package-build-${suite} 3000 "${here}/deploy/build_package.sh" "${package}-${suite}"
                 ${suite})
  kvmx_host_test(package-install-${suite} 900 "${here}/deploy/package_test.sh" "${package}-${suite}"
                 ${suite})
  set_tests_properties(package-build-${suite} PROPERTIES FIXTURES_SETUP package-${suite})
  set_tests_properties(package-install-${suite} PROPERTIES FIXTURES_REQUIRED package-${suite})
endforeach()
# The image's last stage with that package, and its entry point in an emulated host.
kvmx_host_test(container-amd-6.1 900 env PYTHONDONTWRITEBYTECODE=1 python3
               "${here}/deploy/container_test.py" "${package}" "${guest}")
set_tests_properties(package-install container-amd-6.1 PROPERTIES FIXTURES_REQUIRED package)
set(KVMX_SERVICE_KERNELS 6.1 CACHE STRING "Kernels on which the package's service is tested")
foreach(kernel IN LISTS KVMX_SERVICE_KERNELS)
  kvmx_host_test(service-amd-${kernel} 900 "${here}/deploy/service_test.sh" "${package}" "${guest}"
                 ${kernel})
  set_tests_properties(service-amd-${kernel} PROPERTIES FIXTURES_REQUIRED package)
endforeach()
# The playbook that installs it, on demand: Ansible takes ten minutes in an emulated host.
option(KVMX_PLAYBOOK "Run the Ansible playbook, too" OFF)
if(KVMX_PLAYBOOK)
  kvmx_host_test(playbook-amd-6.1 1500 "${here}/deploy/playbook_test.sh" "${package}")
  set_tests_properties(playbook-amd-6.1 PROPERTIES FIXTURES_REQUIRED package)
endif()
kvmx_host_test(startup 300 "${here}/e2e/startup_test.sh" "${exporter}")
kvmx_host_test(prometheus 300 python3 "${here}/e2e/prometheus_test.py" "${exporter}" "${guest}")
kvmx_host_test(install 120 "${here}/e2e/install_test.sh" "${PROJECT_BINARY_DIR}")
kvmx_host_test(prometheus-web 300 python3 "${here}/e2e/prometheus_web_test.py" "${exporter}")
kvmx_host_test(web-http 300 python3 "${here}/e2e/web_http.py" "${exporter}")
kvmx_host_test(web-limits 400 python3 "${here}/e2e/web_limits.py" "${exporter}")
kvmx_host_test(web-tls 300 python3 "${here}/e2e/web_tls.py" "${exporter}")
# RUN_SERIAL: a tick that waits for a CPU is no storm.
foreach(test page-native page-amd-6.1)
  string(REGEX MATCH "native|amd" where ${test})
  kvmx_host_test(${test} 600 env PYTHONDONTWRITEBYTECODE=1 python3 "${here}/e2e/page_test.py" ${where}
                 "${exporter}" "${guest}" "${PROJECT_BINARY_DIR}/${test}.json")
  set_tests_properties(${test} PROPERTIES RUN_SERIAL ON)
endforeach()
add_test(NAME golden COMMAND /usr/bin/python3 "${here}/golden/check.py") # Debian's has the parser
# The benchmark at its smallest, so that it keeps working; it measures nothing here.
add_test(NAME bench COMMAND bench --benchmark_filter=/1000/ --benchmark_min_time=0.01)
kvmx_host_test(big-host 120 python3 "${here}/e2e/big_host.py" "${exporter}"
               "$<TARGET_FILE:fill_slots>")
kvmx_host_test(exact-native 300 "${here}/exact/run.sh" native "${PROJECT_BINARY_DIR}")

# Emulated hosts. An Intel host takes longest; more of its kernels by -DKVMX_INTEL_KERNELS="6.1;7.2".
set(KVMX_AMD_KERNELS 5.10 6.1 6.12 7.2 CACHE STRING "Kernels of the emulated AMD hosts")
set(KVMX_INTEL_KERNELS 6.1 CACHE STRING "Kernels of the emulated Intel hosts")
foreach(kernel IN LISTS KVMX_AMD_KERNELS)
  kvmx_host_test(exact-amd-${kernel} 900 "${here}/exact/run.sh" amd "${PROJECT_BINARY_DIR}" ${kernel})
endforeach()
foreach(kernel IN LISTS KVMX_INTEL_KERNELS)
  kvmx_host_test(exact-intel-${kernel} 1200 "${here}/exact/run.sh" intel "${PROJECT_BINARY_DIR}"
                 ${kernel})
endforeach()
# kvmx_lab_test(NAME TIMEOUT LAB_OPTIONS SCRIPT): a script of e2e/ in an emulated AMD host, with the
# kernel that the name ends in.
function(kvmx_lab_test name timeout lab_options script)
  string(REGEX MATCH "[0-9.]+$" kernel "${name}")
  kvmx_host_test(${name} ${timeout} "${here}/lab/amd.sh" --kernel ${kernel} --timeout ${timeout}
                 ${lab_options} -- env PYTHONDONTWRITEBYTECODE=1 python3 "${here}/e2e/${script}"
                 "${exporter}" "${guest}")
endfunction()

kvmx_host_test(identity-native 300 env PYTHONDONTWRITEBYTECODE=1 python3 "${here}/e2e/identity.py"
               "${exporter}" "${guest}")
kvmx_lab_test(identity-amd-6.1 600 "--smp;2" identity.py)
foreach(kernel IN LISTS KVMX_AMD_KERNELS)
  kvmx_lab_test(program-sizes-amd-${kernel} 200 "" ../bpf/program_sizes.py)
endforeach()
kvmx_lab_test(collectors-amd-6.1 400 "" collectors.py)
kvmx_lab_test(kvm-stat-amd-6.1 400 "" kvm_stat.py)
kvmx_lab_test(death-amd-6.1 400 "" death.py)
foreach(kernel 5.10 6.1 7.2)
  kvmx_lab_test(attribution-amd-${kernel} 400 "--smp;2" attribution.py)
endforeach()
# One CPU: with two, QEMU makes a shutdown of one injected #GP in some hundred thousand (kvm_exit
# shows the injection still valid), or a guest hangs, with or without an exporter beside it.
kvmx_lab_test(hostile-amd-6.1 400 "" hostile.py)
kvmx_lab_test(churn-amd-6.1 650 "" churn.py)
kvmx_lab_test(idle-vms-amd-5.10 400 "" idle_vms.py)
kvmx_lab_test(idle-vms-amd-6.1 400 "" idle_vms.py)
kvmx_host_test(idle-vms-native 200 python3 "${here}/e2e/idle_vms.py" "${exporter}" "${guest}")
kvmx_lab_test(idle-fraction-amd-6.1 650 --icount idle_fraction.py)
kvmx_lab_test(monotonic-amd-6.1 650 "--smp;2" monotonic.py)
kvmx_lab_test(preemption-amd-7.2 400 "" preemption.py)
kvmx_lab_test(scrapers-amd-6.1 650 "--smp;2" scrapers.py)
foreach(kernel 6.1 7.2)
  kvmx_lab_test(pins-amd-${kernel} 400 "" pins.py)
endforeach()
kvmx_host_test(races-amd-6.1 900 "${here}/e2e/races.sh" "${PROJECT_BINARY_DIR}/tsan" "${guest}")
kvmx_host_test(monotonic-native 120 python3 "${here}/e2e/monotonic.py" "${exporter}" "${guest}")
# Long, so first: the other CPU does the rest meanwhile.
kvmx_host_test(linux-guest-amd-6.1 1200 "${here}/e2e/linux_guest.sh" "${exporter}")
set_tests_properties(linux-guest-amd-6.1 PROPERTIES COST 1000)
foreach(kernel 5.10 6.1)
  kvmx_host_test(privileges-amd-${kernel} 900 "${here}/lab/amd.sh" --kernel ${kernel} --timeout 880 --
                 env PYTHONDONTWRITEBYTECODE=1 python3 "${here}/e2e/privileges.py" "${exporter}"
                 "${guest}")
endforeach()
kvmx_host_test(late-kvm-amd-6.1 600 "${here}/lab/amd.sh" --kernel 6.1 --no-kvm --
               "${here}/e2e/late_kvm.sh" "${exporter}" "${guest}")
