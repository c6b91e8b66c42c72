# SPDX-License-Identifier: Apache-2.0
# What users install: by cmake --install, as packages, and as one static file. All but the first need root.
kvmx_test(install package 120 "${here}/e2e/install_test.sh" "${PROJECT_BINARY_DIR}")

# The package of this machine's Debian, made of what this build directory holds: installed, upgraded,
# purged, and run as a service.
set(package "${PROJECT_BINARY_DIR}/package")
kvmx_test(package-build package 300 "${here}/deploy/build_package.sh" --prebuilt "${PROJECT_BINARY_DIR}"
          "${package}")
set_tests_properties(package-build PROPERTIES FIXTURES_SETUP package COST 300) # others wait for it

# kvmx_package_test(NAME SECONDS COMMAND...): a test that takes that package.
function(kvmx_package_test name timeout)
  kvmx_test(${name} package ${timeout} ${ARGN})
  set_tests_properties(${name} PROPERTIES FIXTURES_REQUIRED package COST 110)
endfunction()

kvmx_package_test(package-install 900 "${here}/deploy/package_test.sh" "${package}")
# The image's last stage with that package, and its entry point in an emulated host.
kvmx_package_test(container-amd-6.1 900 python3 "${here}/deploy/container_test.py" "${package}" "${guest}")
set(KVMX_SERVICE_KERNELS 6.1 CACHE STRING "Kernels on which the package's service is tested")
foreach(kernel IN LISTS KVMX_SERVICE_KERNELS)
  kvmx_package_test(service-amd-${kernel} 900 "${here}/deploy/service_test.sh" "${package}" "${guest}"
                    ${kernel})
endforeach()

# The static program, of the same objects: its tarball, itself where nothing else is, and its RPM.
set(static_package "${PROJECT_BINARY_DIR}/static-package")
kvmx_test(static-build package 600 "${PROJECT_SOURCE_DIR}/deploy/static/build.sh" --prebuilt
          "${PROJECT_BINARY_DIR}" "${static_package}")
set_tests_properties(static-build PROPERTIES FIXTURES_SETUP static-package)
kvmx_test(static-package package 300 "${here}/deploy/static_test.sh" "${static_package}")
kvmx_test(static-alone package 300 python3 "${here}/e2e/static_test.py" "${static_package}/kvm_exit_exporter"
          "${guest}")
set_tests_properties(static-package static-alone PROPERTIES FIXTURES_REQUIRED static-package)
kvmx_test(static-hardening package 60 python3 "${here}/e2e/hardening_test.py" "${static}")
kvmx_test(rpm package 900 "${here}/deploy/rpm_test.sh" "${PROJECT_BINARY_DIR}")
option(KVMX_RPM_SERVICE "Run the service of the RPM, too" OFF)
if(KVMX_RPM_SERVICE)
  set(rpm "${PROJECT_BINARY_DIR}/rpm")
  kvmx_test(rpm-build package 300 "${PROJECT_SOURCE_DIR}/deploy/rpm/build.sh" --prebuilt "${PROJECT_BINARY_DIR}" "${rpm}")
  set_tests_properties(rpm-build PROPERTIES FIXTURES_SETUP rpm)
  kvmx_test(service-rpm-amd-6.1 package 900 "${here}/deploy/service_test.sh" "${rpm}" "${guest}")
  set_tests_properties(service-rpm-amd-6.1 PROPERTIES FIXTURES_REQUIRED rpm COST 110)
endif()

# On demand. The package built from the source alone, as deploy/debian/build.sh does for users; it
# must be the same as the one above. So must the static program, to the byte.
option(KVMX_PACKAGE_SOURCE "Build the package from source, too" OFF)
if(KVMX_PACKAGE_SOURCE)
  kvmx_test(static-source package 1500 "${here}/deploy/static_source_test.sh" "${static_package}")
  set_tests_properties(static-source PROPERTIES FIXTURES_REQUIRED static-package)
  kvmx_package_test(package-source 1500 "${here}/deploy/package_source_test.sh" "${package}"
                    "${package}-source")
endif()
# Another Debian's, built in a system of that.
set(KVMX_PACKAGE_SUITES "" CACHE STRING "Further suites to build the package for, such as trixie")
foreach(suite IN LISTS KVMX_PACKAGE_SUITES)
  kvmx_test(package-build-${suite} package 3000 "${here}/deploy/build_package.sh" --suite ${suite}
            "${package}-${suite}")
  kvmx_test(package-install-${suite} package 900 "${here}/deploy/package_test.sh" "${package}-${suite}"
            ${suite})
  set_tests_properties(package-build-${suite} PROPERTIES FIXTURES_SETUP package-${suite})
  set_tests_properties(package-install-${suite} PROPERTIES FIXTURES_REQUIRED package-${suite})
  # The package with the static program, made on this one, is for all of them.
  kvmx_test(package-static-${suite} package 900 "${here}/deploy/package_test.sh" "${package}-static" ${suite})
  set_tests_properties(package-static-${suite} PROPERTIES FIXTURES_REQUIRED package-static)
endforeach()
if(KVMX_PACKAGE_SUITES)
  kvmx_test(package-static-build package 300 "${here}/deploy/build_package.sh" --prebuilt "${PROJECT_BINARY_DIR}"
            --static "${package}-static")
  set_tests_properties(package-static-build PROPERTIES FIXTURES_SETUP package-static)
endif()
# The playbook that installs it: Ansible takes ten minutes in an emulated host.
option(KVMX_PLAYBOOK "Run the Ansible playbook, too" OFF)
if(KVMX_PLAYBOOK)
  kvmx_package_test(playbook-amd-6.1 1500 "${here}/deploy/playbook_test.sh" "${package}")
endif()
