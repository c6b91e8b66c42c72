# SPDX-License-Identifier: Apache-2.0
# Tests that run the exporter itself, on this machine or in emulated hosts. All need root. One that
# cannot run here exits with 77 and counts as skipped.
set(exporter "$<TARGET_FILE:kvm_exit_exporter>")
set(guest "$<TARGET_FILE:kvmx-guest>")
set(static "$<TARGET_FILE:kvm_exit_exporter_static>")

# kvmx_host_test(NAME TIMEOUT COMMAND...): its tier is in its name.
function(kvmx_host_test name timeout)
  if(name MATCHES "-(amd|intel)(-|$)")
    kvmx_test(${name} lab ${timeout} ${ARGN})
  else()
    kvmx_test(${name} native ${timeout} ${ARGN})
    # One at a time: an exporter shows every VM of this machine, those of another test too.
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK vms)
    kvmx_waits(${name})
    set_property(GLOBAL APPEND PROPERTY kvmx_native_tests ${name})
  endif()
endfunction()

kvmx_host_test(startup 300 "${here}/e2e/startup_test.sh" "${exporter}")
kvmx_host_test(prometheus 300 python3 "${here}/e2e/prometheus_test.py" "${exporter}" "${guest}")
# The same by Debian's newest Prometheus, and what only that can do.
set(newer "${here}/lib/newer_prometheus.sh")
kvmx_host_test(prometheus-newer 300 "${newer}" python3 "${here}/e2e/prometheus_test.py" "${exporter}" "${guest}")
kvmx_host_test(histogram-forms 120 "${newer}" python3 "${here}/e2e/histogram_forms_test.py"
               "$<TARGET_FILE:fleet_simulator>")
kvmx_host_test(names 60 "${here}/deploy/names_test.sh")
kvmx_host_test(capabilities 60 "${here}/deploy/capabilities_test.sh")
kvmx_host_test(prometheus-web 300 python3 "${here}/e2e/prometheus_web_test.py" "${exporter}")
kvmx_host_test(scrape-forms 120 /usr/bin/python3 "${here}/e2e/scrape_forms_test.py" "${exporter}" "${guest}")
kvmx_host_test(web-http 300 python3 "${here}/e2e/web_http_test.py" "${exporter}")
kvmx_host_test(web-pages-native 200 python3 "${here}/e2e/web_pages_test.py" "${exporter}" "${guest}")
kvmx_host_test(top-native 300 python3 "${here}/e2e/top_test.py" "${exporter}" "${guest}")
kvmx_host_test(web-limits 400 python3 "${here}/e2e/web_limits_test.py" "${exporter}")
kvmx_host_test(web-hostile 400 python3 "${here}/e2e/web_hostile_test.py" "${exporter}")
kvmx_host_test(hardening 60 python3 "${here}/e2e/hardening_test.py" "${exporter}")
kvmx_host_test(start-hostile 200 python3 "${here}/e2e/start_hostile_test.py" "${exporter}")
kvmx_host_test(web-tls 300 python3 "${here}/e2e/web_tls_test.py" "${exporter}")
kvmx_host_test(alert-native 600 python3 "${here}/e2e/alert_test.py" native
               "${exporter}" "${guest}" "${PROJECT_BINARY_DIR}/alert-native.json")
# The benchmark at its smallest, in all forms of a page, and the search for findings, so that they keep working; it
# measures nothing here.
kvmx_host_test(bench 120 bench "--benchmark_filter=/1000/|^diagnosis/" --benchmark_min_time=0.01)
kvmx_host_test(fleet-pages 120 python3 "${here}/bench/fleet/pages_test.py" "$<TARGET_FILE:fleet_simulator>")
# 20 s of CPU time in fifteen programs: on a busy machine that takes minutes.
kvmx_host_test(fleet-kit 900 python3 "${here}/deploy/fleet_test.py" "$<TARGET_FILE:fleet_simulator>")
kvmx_host_test(big-host 120 python3 "${here}/e2e/big_host_test.py" "${exporter}"
               "$<TARGET_FILE:fill_slots>")
kvmx_host_test(exact-native 300 "${here}/exact/run.sh" native "${PROJECT_BINARY_DIR}")

kvmx_host_test(identity-native 300 python3 "${here}/e2e/identity_test.py" "${exporter}" "${guest}")
kvmx_host_test(idle-vms-native 200 python3 "${here}/e2e/idle_vms_test.py" "${exporter}" "${guest}")
kvmx_host_test(many-vms-native 300 python3 "${here}/e2e/many_vms_test.py" "${exporter}" "${guest}"
               "$<TARGET_FILE:kvmx-tricks>")
kvmx_host_test(descriptors-native 200 python3 "${here}/e2e/descriptors_test.py" "${exporter}" "${guest}")
kvmx_host_test(cpu-times-native 200 python3 "${here}/e2e/cpu_times_test.py" "${exporter}" "${guest}")
kvmx_host_test(cpu-times-without-btf-native 200 "${here}/exact/without_btf.sh" python3
               "${here}/e2e/cpu_times_test.py" "${exporter}" "${guest}")
kvmx_host_test(lifecycle-native 200 python3 "${here}/e2e/lifecycle_test.py" "${exporter}" "$<TARGET_FILE:kvmx-tricks>")
add_library(kill_at_release MODULE "${here}/e2e/kill_at_release.c")
kvmx_host_test(killed-release-native 300 python3 "${here}/e2e/killed_release_test.py" "${exporter}" "${guest}"
               "$<TARGET_FILE:kill_at_release>")
add_library(sandbox_probe MODULE "${here}/e2e/sandbox_probe.c")
kvmx_host_test(sandbox-native 200 python3 "${here}/e2e/sandbox_test.py" "${exporter}" "${guest}"
               "$<TARGET_FILE:sandbox_probe>")
kvmx_host_test(unreadable-vmm-native 200 python3 "${here}/e2e/unreadable_vmm_test.py" "${exporter}" "${guest}"
               "$<TARGET_FILE:kvmx-tricks>")
kvmx_host_test(interrupt-native 120 python3 "${here}/bpf/interrupt_test.py" "${PROJECT_BINARY_DIR}/tests/bpf/interrupt.bpf.o")
kvmx_host_test(monotonic-native 300 python3 "${here}/e2e/monotonic_test.py" "${exporter}" "${guest}")
# After them all. ctest begins with what another test depends on, and of that with the highest COST.
get_property(native GLOBAL PROPERTY kvmx_native_tests)
kvmx_host_test(leftovers-native 60 python3 "${here}/e2e/leftovers_test.py" "${exporter}" "${guest}"
               "$<TARGET_FILE:kvmx-tricks>")
set_tests_properties(leftovers-native PROPERTIES DEPENDS "${native}")
# Each takes half a minute to two.
kvmx_slow(alert-native descriptors-native fleet-kit identity-native lifecycle-native many-vms-native top-native
          unreadable-vmm-native)
# What these ask of an exporter has nothing to do with VMs, few of them apart.
set_tests_properties(startup hardening web-http web-limits web-hostile web-tls start-hostile
                     PROPERTIES RESOURCE_LOCK web)
set_tests_properties(many-vms-native big-host PROPERTIES RESOURCE_LOCK "vms;web")
# They run no exporter that would show VMs.
set_tests_properties(names capabilities histogram-forms bench fleet-pages fleet-kit PROPERTIES RESOURCE_LOCK "")
set_tests_properties(names capabilities histogram-forms bench fleet-pages PROPERTIES COST 100 PROCESSORS 3)

# Emulated hosts. Scenarios that can share one do: the test boot-NAME boots it and runs them all, and
# each has a test of its own that tells its result (lab/scenarios.py). COST puts the longest first.
set(KVMX_AMD_KERNELS 5.10 6.1 6.12 7.2 CACHE STRING "Kernels of the emulated AMD hosts")
set(KVMX_INTEL_KERNELS 6.1 CACHE STRING "Kernels of the emulated Intel hosts; one takes two minutes")
set(lab "${PROJECT_BINARY_DIR}/lab")

# kvmx_lab_host(NAME SECONDS LAB_OPTION...): a host that takes so many seconds.
function(kvmx_lab_host name seconds)
  list(JOIN ARGN " " options)
  set_property(GLOBAL APPEND PROPERTY kvmx_plan_${name} "lab --timeout 2400 ${options}" "guest ${guest}")
  set_property(GLOBAL APPEND PROPERTY kvmx_lab_hosts ${name})
  kvmx_host_test(boot-${name} 3600 "${here}/lab/scenarios.py" run "${lab}/${name}.plan" "${lab}/${name}")
  set_tests_properties(boot-${name} PROPERTIES FIXTURES_SETUP lab-${name} COST "${seconds}")
  kvmx_host_test(host-${name} 60 "${here}/lab/scenarios.py" result "${lab}/${name}" host)
  set_tests_properties(host-${name} PROPERTIES FIXTURES_REQUIRED lab-${name})
endfunction()

# kvmx_lab_test(HOST NAME TIMEOUT COMMAND... [CHECK COMMAND...]): a scenario. CHECK is run on this machine.
function(kvmx_lab_test host name timeout)
  cmake_parse_arguments(PARSE_ARGV 3 arg "" "" "COMMAND;CHECK")
  list(JOIN arg_COMMAND " " command)
  set_property(GLOBAL APPEND PROPERTY kvmx_plan_${host} "${name} ${timeout} ${command}")
  kvmx_host_test(${name} 120 "${here}/lab/scenarios.py" result "${lab}/${host}" ${name} ${arg_CHECK})
  set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED lab-${host})
endfunction()

# kvmx_lab_script(HOST NAME TIMEOUT SCRIPT): a Python script that takes the exporter and kvmx-guest.
function(kvmx_lab_script host name timeout script)
  kvmx_lab_test(${host} ${name} ${timeout} COMMAND /usr/bin/python3 "${here}/${script}" "${exporter}" "${guest}")
endfunction()

kvmx_test(lab-scenarios lab 900 "${here}/lab/selftest.sh" scenarios)
kvmx_waits(lab-scenarios)

# How long they take, beside three others. It is no matter if that is not quite so, or of a kernel not known.
set(seconds_5.10 500)
set(seconds_6.1 350)
set(seconds_6.12 160)
set(seconds_7.2 450)

foreach(kernel IN LISTS KVMX_AMD_KERNELS)
  # Two CPUs: vCPUs move between them, and the exporter reads what another CPU is writing.
  kvmx_lab_host(amd-${kernel} "${seconds_${kernel}}" --kernel ${kernel} --smp 2)
  kvmx_lab_test(amd-${kernel} exact-amd-${kernel} 600 COMMAND "${here}/exact/scenario.sh" "${exporter}"
                "${guest}" /lab-out/exact CHECK python3 "${here}/exact/check.py"
                "${lab}/amd-${kernel}/files/exact")
  kvmx_lab_script(amd-${kernel} program-sizes-amd-${kernel} 600 bpf/program_sizes_test.py)
  kvmx_lab_script(amd-${kernel} profile-amd-${kernel} 600 e2e/profile_test.py)
  # The static program, where nothing else is.
  kvmx_lab_test(amd-${kernel} static-amd-${kernel} 600 COMMAND /usr/bin/python3 "${here}/e2e/static_test.py"
                "${static}" "${guest}")
  kvmx_lab_test(amd-${kernel} interrupt-amd-${kernel} 300 COMMAND /usr/bin/python3
                "${here}/bpf/interrupt_test.py" "${PROJECT_BINARY_DIR}/tests/bpf/interrupt.bpf.o")
endforeach()
kvmx_lab_test(amd-6.1 exact-static-amd-6.1 600 COMMAND "${here}/exact/scenario.sh" "${static}" "${guest}"
              /lab-out/exact-static CHECK python3 "${here}/exact/check.py" "${lab}/amd-6.1/files/exact-static")
# Kernels that describe none of their types, or none of KVM's.
kvmx_lab_test(amd-5.10 exact-without-btf-amd-5.10 600 COMMAND "${here}/exact/without_btf.sh"
              "${here}/exact/scenario.sh" "${exporter}" "${guest}" /lab-out/exact-without-btf
              CHECK python3 "${here}/exact/check.py" "${lab}/amd-5.10/files/exact-without-btf" --without-btf)
kvmx_lab_test(amd-5.10 attribution-without-btf-amd-5.10 600 COMMAND "${here}/exact/without_btf.sh" /usr/bin/python3
              "${here}/e2e/attribution_test.py" "${exporter}" "${guest}")
kvmx_lab_test(amd-5.10 cpu-times-without-btf-amd-5.10 600 COMMAND "${here}/exact/without_btf.sh" /usr/bin/python3
              "${here}/e2e/cpu_times_test.py" "${exporter}" "${guest}")
foreach(kernel 6.1 6.12 7.2)
  kvmx_lab_test(amd-${kernel} exact-without-module-btf-amd-${kernel} 600
                COMMAND "${here}/exact/without_module_btf.sh" "${here}/exact/scenario.sh" "${exporter}" "${guest}"
                /lab-out/exact-without-module-btf CHECK python3 "${here}/exact/check.py"
                "${lab}/amd-${kernel}/files/exact-without-module-btf")
endforeach()
foreach(kernel 5.10 6.1 7.2)
  kvmx_lab_script(amd-${kernel} attribution-amd-${kernel} 600 e2e/attribution_test.py)
endforeach()
foreach(kernel 5.10 6.1)
  kvmx_lab_script(amd-${kernel} cpu-times-amd-${kernel} 600 e2e/cpu_times_test.py)
  kvmx_lab_script(amd-${kernel} idle-vms-amd-${kernel} 600 e2e/idle_vms_test.py)
  kvmx_lab_script(amd-${kernel} privileges-amd-${kernel} 600 e2e/privileges_test.py)
endforeach()
foreach(kernel 6.1 7.2)
  kvmx_lab_script(amd-${kernel} pins-amd-${kernel} 600 e2e/pins_test.py)
endforeach()
kvmx_lab_script(amd-7.2 preemption-amd-7.2 600 e2e/preemption_test.py)
# Most tests run on 6.1: on two hosts, side by side.
kvmx_lab_host(amd-6.1-more 500 --kernel 6.1 --smp 2)
foreach(test identity collectors kvm-stat death firmware hostile churn monotonic refused-functions scrapers)
  string(REPLACE "-" "_" script ${test})
  kvmx_lab_script(amd-6.1-more ${test}-amd-6.1 600 e2e/${script}_test.py)
endforeach()
# Where KVM raises events with preemption on.
foreach(test death firmware hostile monotonic refused-functions)
  string(REPLACE "-" "_" script ${test})
  kvmx_lab_script(amd-7.2 ${test}-amd-7.2 600 e2e/${script}_test.py)
endforeach()

foreach(kernel 5.10 7.2)
  kvmx_lab_test(amd-${kernel} lifecycle-amd-${kernel} 600 COMMAND /usr/bin/python3
                "${here}/e2e/lifecycle_test.py" "${exporter}" "$<TARGET_FILE:kvmx-tricks>")
endforeach()
kvmx_lab_test(amd-6.1-more killed-release-amd-6.1 600 COMMAND /usr/bin/python3 "${here}/e2e/killed_release_test.py"
              "${exporter}" "${guest}" "$<TARGET_FILE:kill_at_release>")
foreach(kernel 5.10 6.1) # without Landlock and with it
  kvmx_lab_test(amd-${kernel} sandbox-amd-${kernel} 600 COMMAND /usr/bin/python3 "${here}/e2e/sandbox_test.py"
                "${exporter}" "${guest}" "$<TARGET_FILE:sandbox_probe>")
endforeach()
kvmx_lab_test(amd-6.1-more late-kvm-amd-6.1 600 COMMAND "${here}/e2e/late_kvm_test.sh" "${exporter}" "${guest}")

# A clock that counts instructions, for what is about rates and times: the same however busy the machine.
kvmx_lab_host(amd-6.1-icount 400 --kernel 6.1 --icount --append mitigations=off)
kvmx_lab_script(amd-6.1-icount idle-fraction-amd-6.1 1500 e2e/idle_fraction_test.py)
kvmx_lab_test(amd-6.1-icount alert-amd-6.1 900 COMMAND /usr/bin/python3 "${here}/e2e/alert_test.py" amd "${exporter}"
              "${guest}" /lab-out/alert-amd-6.1.json)
kvmx_lab_script(amd-6.1-icount linux-guest-amd-6.1 600 e2e/linux_guest_test.py)
kvmx_lab_script(amd-6.1-icount profile-linux-amd-6.1 600 e2e/profile_linux_test.py)
kvmx_lab_script(amd-6.1-icount hpet-amd-6.1 600 e2e/hpet_test.py)

# What the exporter adds to an exit, where that differs least from run to run.
kvmx_lab_host(amd-7.2-icount 100 --kernel 7.2 --icount)
kvmx_lab_script(amd-7.2-icount cost-amd-7.2 900 bench/cost/bounds_test.py)

option(KVMX_INTEL_STATIC "Run the static program on emulated Intel hosts, too" OFF)
foreach(kernel IN LISTS KVMX_INTEL_KERNELS)
  set(intel "${here}/exact/run.sh" intel "${PROJECT_BINARY_DIR}" ${kernel})
  kvmx_host_test(exact-intel-${kernel} 1200 ${intel})
  set_tests_properties(exact-intel-${kernel} PROPERTIES COST 120)
  if(KVMX_INTEL_STATIC)
    kvmx_host_test(exact-static-intel-${kernel} 1200 ${intel} static)
  endif()
endforeach()
option(KVMX_OLDER_KVM "Build KVM with an older kvm_exit, and test on it" OFF)
if(KVMX_OLDER_KVM)
  kvmx_host_test(exact-older-exit-amd-6.1 1200 "${here}/exact/run.sh" older "${PROJECT_BINARY_DIR}")
endif()
kvmx_host_test(races-amd-6.1 900 "${here}/e2e/races.sh" "${PROJECT_BINARY_DIR}/tsan" "${guest}")
set_tests_properties(races-amd-6.1 PROPERTIES COST 40)

# Everything at once, for an hour or so.
set(KVMX_SOAK "" CACHE STRING "Seconds that the soak takes on this machine and in an emulated host; empty: none")
if(KVMX_SOAK)
  set(soak "${here}/soak/soak.py" "${exporter}" "${guest}" "$<TARGET_FILE:kvmx-tricks>" ${KVMX_SOAK})
  math(EXPR seconds "2 * ${KVMX_SOAK} + 3600") # it waits for work that a busy machine is late with
  kvmx_host_test(soak-native ${seconds} /usr/bin/python3 ${soak})
  kvmx_lab_host(amd-6.1-soak ${KVMX_SOAK} --kernel 6.1 --smp 2 --timeout ${seconds})
  kvmx_lab_test(amd-6.1-soak soak-amd-6.1 ${seconds} COMMAND /usr/bin/python3 ${soak})
  set_tests_properties(boot-amd-6.1-soak PROPERTIES TIMEOUT ${seconds})
endif()

get_property(hosts GLOBAL PROPERTY kvmx_lab_hosts)
foreach(host IN LISTS hosts)
  get_property(lines GLOBAL PROPERTY kvmx_plan_${host})
  list(JOIN lines "\n" plan)
  file(GENERATE OUTPUT "${lab}/${host}.plan" CONTENT "${plan}\n")
endforeach()
