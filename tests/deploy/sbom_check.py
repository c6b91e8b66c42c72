#!/usr/bin/env python3
"""sbom_check.py SBOM LICENCES PROGRAM: the bill of materials is SPDX 2.3, complete, and of this program."""

import datetime
import hashlib
import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict

# What every build links, by Debian's name of it; how, in SPDX' words.
LINKED = {"civetweb", "libbpf-dev", "libc6-dev", "libcap-dev", "libcrypt-dev", "libelf-dev", "libexpat1-dev",
          "libgcc-12-dev", "libre2-dev", "libseccomp-dev", "libssl-dev", "libstdc++-12-dev", "libyaml-cpp-dev",
          "zlib1g-dev"}
HEADERS = {"libcli11-dev", "libfmt-dev", "libprotozero-dev", "libspdlog-dev", "prometheus-cpp-dev"}
FIELDS = {"SPDXID", "name", "versionInfo", "downloadLocation", "filesAnalyzed", "licenseConcluded",
          "licenseDeclared", "copyrightText"}


def related(document, kind):
    names = {package["SPDXID"]: package["name"] for package in document["packages"]}
    return {names[each["relatedSpdxElement"]] for each in document["relationships"]
            if each["relationshipType"] == kind}


def main():
    verdict = Verdict()
    sbom, licences, program = map(pathlib.Path, sys.argv[1:])
    document = json.loads(sbom.read_text())
    packages = {package["name"]: package for package in document["packages"]}
    own = packages.pop("kvm-exit-exporter")
    verdict.check(document["spdxVersion"] == "SPDX-2.3" and document["dataLicense"] == "CC0-1.0"
                  and re.fullmatch(r"https://[^#]+", document["documentNamespace"])
                  and datetime.datetime.strptime(document["creationInfo"]["created"], "%Y-%m-%dT%H:%M:%SZ")
                  and document["creationInfo"]["creators"], "the document's own fields")
    lacking = [(name, FIELDS - set(package)) for name, package in (packages | {"": own}).items()
               if FIELDS - set(package) or not re.fullmatch(r"SPDXRef-[A-Za-z0-9.-]+", package["SPDXID"])]
    verdict.check(not lacking, f"every package has what SPDX wants of one {lacking}")
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    verdict.check(own["checksums"] == [{"algorithm": "SHA256", "checksumValue": digest}], "it is of this program")
    linked, headers = related(document, "STATIC_LINK"), related(document, "CONTAINS")
    verdict.check(LINKED <= linked and HEADERS <= headers, "known libraries are in it: "
                  f"{sorted(LINKED - linked)} are not, of headers {sorted(HEADERS - headers)}")
    verdict.check(linked | headers == set(packages) and not linked & headers,
                  f"{len(linked)} packages are linked, of {len(headers)} only headers")
    for name, package in packages.items():
        if name != "civetweb":
            version = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", name], check=True,
                                     capture_output=True, text=True).stdout
            verdict.check(package["versionInfo"] == version, f"{name} {version}")
        verdict.check(len((licences / name).read_text()) > 200, f"licence of {name}")
    verdict.check("Apache License" in (licences / "kvm-exit-exporter").read_text()
                  and "LESSER" in (licences / "LGPL-2.1").read_text(), "licences that others refer to")
    verdict.end()


main()
