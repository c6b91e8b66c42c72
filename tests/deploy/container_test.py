"""container_test.py PACKAGES GUEST: the container image, without a container engine.

As root. There is none on Debian's bookworm that this could use, so the last stage of
deploy/container/Dockerfile is carried out here, instruction by instruction, in a plain Debian
system, with the package in the directory PACKAGES in the place of what the stage before makes by the
same script. Then its entry point runs in an emulated AMD host, in what a container engine would give
it: that file system, that user, few capabilities.
"""

import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DOCKERFILE = ROOT / "deploy/container/Dockerfile"
BIND = re.compile(r"--mount=type=bind,from=(\w+),source=(/\S+),target=(/\S+)\s+")


def instructions():
    """[(instruction, rest)] of the Dockerfile."""
    lines = "".join(line for line in DOCKERFILE.read_text().splitlines(keepends=True)
                    if not line.startswith("#")).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in lines.splitlines() if line.strip()]


def stages():
    """[[(instruction, rest)]]: each stage begins with its FROM."""
    found = []
    for name, rest in instructions():
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest.strip()))
    return found


def debian(suite, purpose):
    """A plain system of that suite, made once."""
    script = f'. "{ROOT}/tests/lab/lib.sh"; . "$LAB_DIR/kernels.sh"; . "$LAB_DIR/trees.sh"; tree_dir {suite} {purpose}'
    return subprocess.run(["bash", "-euc", script], check=True, text=True,
                          stdout=subprocess.PIPE).stdout.strip()


def carry_out(stage, image, packages):
    """Makes of the directory `image` what the stage says; its settings."""
    settings = {}
    for name, rest in stage[1:]:
        if name == "RUN":
            bind = BIND.match(rest)
            assert bind and bind[1] == "package" and bind[2] == bind[3] == "/packages", rest
            (image / "packages").mkdir()
            for package in packages.glob("*.deb"):
                (image / "packages" / package.name).write_bytes(package.read_bytes())
            for file in "/etc/resolv.conf", "/etc/hosts":
                (image / file[1:]).write_bytes(pathlib.Path(file).read_bytes())
            subprocess.run(["chroot", image, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                            "DEBIAN_FRONTEND=noninteractive", "/bin/sh", "-c", rest[bind.end():]],
                           check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["rm", "-r", image / "packages"], check=True)
        elif name in ("USER", "ENTRYPOINT", "EXPOSE", "LABEL"):
            settings.setdefault(name, []).append(rest)
        else:
            raise SystemExit(f"FAILED: this test does not know {name}")
    return settings


def main():
    packages, guest = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    stage = stages()[-1]
    suite = re.fullmatch(r"debian:(\w+)-slim", stage[0][1])[1]
    with tempfile.TemporaryDirectory() as scratch:
        image = pathlib.Path(scratch) / "image"
        subprocess.run(["cp", "-a", debian(suite, "slim"), image], check=True)
        settings = carry_out(stage, image, packages)
        print(f"ok: the last stage is made of {suite}, {settings}", flush=True)
        # 9p, by which the host has this machine's files, has no capabilities of files.
        packed = image.with_suffix(".tar")
        subprocess.run(["tar", "-c", "--xattrs", "--xattrs-include=*", "-f", packed, "-C", image, "."],
                       check=True)
        user, group = settings["USER"][0].split(":")
        command = json.loads(settings["ENTRYPOINT"][0])
        lab = subprocess.run(
            [ROOT / "tests/lab/amd.sh", "--kernel", "6.1", "--timeout", "400", "--", "sh",
             HERE / "container_host.sh", packed, user, group, guest, shlex.join(command)], check=False)
    sys.exit(lab.returncode)


main()
