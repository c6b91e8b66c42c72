#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sbom.py BUILD PROGRAM LICENCES: what is linked into PROGRAM, as SPDX 2.3 on standard output

What that is says the build itself: the linker's map, which archives it took something from, and the
compiler's lists of headers. Debian's packages are those that own these files on this machine; their
copyright files, and the licences that these refer to, go to the directory LICENCES. A file that no package
owns is an error, unless it belongs to the source tree of a Debian package (CivetWeb). SOURCE_DATE_EPOCH is
when the document was created. The format: https://spdx.github.io/spdx-spec/v2.3/
"""

import datetime
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = "kvm-exit-exporter"
LICENCE = "Apache-2.0 AND (GPL-2.0-only OR BSD-2-Clause)"
COMMON_LICENCES = pathlib.Path("/usr/share/common-licenses")


def run(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True).stdout


def linked_files(build):
    """Archives that a member was taken of, and objects such as the C library's start files."""
    text = (build / "exporter/static/kvm_exit_exporter_static.map").read_text()
    found = set(re.findall(r"^(\S+\.a)\(", text, re.M)) | set(re.findall(r"^LOAD (\S+\.o)$", text, re.M))
    return {(build / path).resolve() for path in found}


def read_headers(build):
    """Sources and headers that the exporter's objects were compiled of."""
    found, wanted = set(), False
    for line in run("ninja", "-C", build, "-t", "deps").splitlines():
        if line.startswith("    "):
            if wanted:
                found.add((build / line.strip()).resolve())
        elif line:
            wanted = line.startswith("exporter/") and not line.startswith("exporter/manual/")
    return found


def owners(paths):
    """{path: package}, by dpkg; paths that it does not know are left out."""
    done = subprocess.run(["dpkg-query", "-S", *map(str, sorted(paths))], check=False, capture_output=True,
                          text=True)
    found = {}
    for line in done.stdout.splitlines():
        packages, _, path = line.partition(": ")
        if not line.startswith("diversion "):
            found[pathlib.Path(path)] = packages.split(",")[0].split(":")[0]
    return found


def source_tree(path):
    """The unpacked source of a Debian package that a file is in."""
    for directory in path.parents:
        if (directory / "debian/changelog").exists():
            return directory
    sys.exit(f"sbom.py: {path} was compiled or linked, and no package of Debian owns it")


class Component:
    """A package whose code is in the program."""

    def __init__(self, name, version, purl, copyright_file):
        self.name, self.version, self.purl, self.copyright_file = name, version, purl, copyright_file

    def spdx(self, licences):
        return {
            "SPDXID": spdx_id(self.name), "name": self.name, "versionInfo": self.version,
            "supplier": "Organization: Debian", "filesAnalyzed": False, "copyrightText": "NOASSERTION",
            "downloadLocation": "NOASSERTION",  # the locator below names package and version
            "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION",
            "licenseComments": f"Debian's copyright file is {licences}/{self.name}",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                              "referenceLocator": self.purl}]}


def spdx_id(name):
    return "SPDXRef-Package-" + re.sub(r"[^A-Za-z0-9.-]", "-", name)


def purl(name, version, architecture):
    return f"pkg:deb/debian/{name}@{urllib.parse.quote(version, safe='')}?arch={architecture}"


def installed(package):
    version, architecture = run("dpkg-query", "-W", "-f", "${Version}\n${Architecture}\n", package).split("\n")[:2]
    return Component(package, version, purl(package, version, architecture),
                     pathlib.Path("/usr/share/doc", package, "copyright"))


def from_source(tree):
    name, version = (run("dpkg-parsechangelog", "-l", tree / "debian/changelog", "-S", field).strip()
                     for field in ("Source", "Version"))
    return Component(name, version, purl(name, version, "source"), tree / "debian/copyright")


def components(build):
    """Those linked, and those of which only headers were taken."""
    linked, headers = linked_files(build), read_headers(build)
    owner = owners({path for path in linked | headers if path.is_relative_to("/usr")})
    trees = {source_tree(path) for path in linked | headers
             if path not in owner and not any(path.is_relative_to(own) for own in (ROOT, build))}
    names = {owner[path] for path in linked if path in owner}
    only_headers = {owner[path] for path in headers if path in owner} - names
    return ([installed(name) for name in sorted(names)] + [from_source(tree) for tree in sorted(trees)],
            [installed(name) for name in sorted(only_headers)])


def keep_licences(all_of_them, directory):
    directory.mkdir(parents=True, exist_ok=True)
    for component in all_of_them:
        if not component.copyright_file.exists():
            sys.exit(f"sbom.py: there is no {component.copyright_file}: was {component.name} installed "
                     "without documentation?")
        shutil.copyfile(component.copyright_file, directory / component.name)
        text = component.copyright_file.read_text(errors="replace")
        for name in re.findall(rf"{COMMON_LICENCES}/([A-Za-z0-9.-]*[A-Za-z0-9])", text):
            if (COMMON_LICENCES / name).is_file():
                shutil.copyfile(COMMON_LICENCES / name, directory / name)


def document(build, program):
    linked, only_headers = components(build)
    cache = (build / "CMakeCache.txt").read_text()
    version = re.search(r"^CMAKE_PROJECT_VERSION:STATIC=(.*)$", cache, re.M)[1]
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    created = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
    licences = f"/usr/share/doc/{NAME}/licenses"
    own = {"SPDXID": spdx_id(NAME), "name": NAME, "versionInfo": version, "filesAnalyzed": False,
           "packageFileName": program.name, "primaryPackagePurpose": "APPLICATION",
           "checksums": [{"algorithm": "SHA256", "checksumValue": digest}],
           "downloadLocation": "NOASSERTION", "licenseConcluded": LICENCE, "licenseDeclared": LICENCE,
           "copyrightText": "2026 The KVM exit exporter authors"}
    relationships = [("SPDXRef-DOCUMENT", "DESCRIBES", spdx_id(NAME))]
    relationships += [(spdx_id(NAME), "STATIC_LINK", spdx_id(each.name)) for each in linked]
    relationships += [(spdx_id(NAME), "CONTAINS", spdx_id(each.name)) for each in only_headers]
    return linked + only_headers, {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{NAME}-{version}-x86_64",
        "documentNamespace": f"https://spdx.org/spdxdocs/{NAME}-{version}-{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "creationInfo": {"created": created.strftime("%Y-%m-%dT%H:%M:%SZ"), "creators": [f"Tool: {NAME}-sbom.py"],
                         "comment": "STATIC_LINK: of its archives. CONTAINS: of its headers alone."},
        "packages": [own] + [each.spdx(licences) for each in linked + only_headers],
        "relationships": [{"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
                          for one, kind, other in relationships]}


def main():
    build, program, licences = (pathlib.Path(argument).resolve() for argument in sys.argv[1:4])
    all_of_them, text = document(build, program)
    keep_licences(all_of_them, licences)
    json.dump(text, sys.stdout, indent=1, ensure_ascii=False)
    print()


main()
