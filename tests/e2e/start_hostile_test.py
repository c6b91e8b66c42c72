#!/usr/bin/env python3
"""start_hostile_test.py EXPORTER: what is odd around the exporter when it starts, and while it runs.

Limits, descriptors that are closed or that nobody reads, paths that hold something else than was
meant, web configurations that are none, and sockets of systemd. As root, in about half a minute.
"""

import ctypes
import http.client
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict
from web_client import WebExporter, wait_until

EXPORTER = sys.argv[1]
ADDRESS = "--web.listen-address=127.0.0.1:10215"


def run(*flags, limit=None, **options):
    """Exit status and log of an exporter that is not to start; None if it did."""
    def lower():
        if limit:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([EXPORTER, *flags], stderr=log, stdout=log, preexec_fn=lower,
                                   **options)
        try:
            status = process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = None
        log.seek(0)
        return status, log.read()


def expect(verdict, what, status, words, *flags, **options):
    got, log = run(*flags, **options)
    verdict.check(got == status and words in log,
                  f"{what}: exit status {got}, expected {status} and {words!r}"
                  + ("" if got == status and words in log else f" in:\n{log}"))


def check_usage(verdict):
    for what, words, *flags in [
            ("a linger beyond the greatest", "at most 8784h", "--vm.linger=9999999h"),
            ("an address without a port", "give HOST:PORT", "--web.listen-address=localhost"),
            ("a stray word", "stray", ADDRESS, "stray"),
            ("a stray word after an address", "stray", "--web.listen-address", ":10215", "stray")]:
        expect(verdict, what, 2, words, *flags)
    expect(verdict, "a name that does not resolve", 1, "does not resolve",
           "--web.listen-address=nowhere.invalid:10215")


def check_limits(verdict):
    expect(verdict, "30 descriptors", 1, "LimitNOFILE=", ADDRESS, limit=30)
    expect(verdict, "300 descriptors, and events that take some each", 1, "LimitNOFILE=", ADDRESS, "--collector.events",
           limit=300)
    exporter = WebExporter(EXPORTER, 10216)
    soft, hard = resource.prlimit(exporter.process.pid, resource.RLIMIT_NOFILE)
    verdict.check(soft == hard, f"the limit is raised as far as it goes: {soft} of {hard}")
    exporter.stop()


def check_unix_paths(verdict, directory):
    path = directory / "socket"
    flag = f"--web.listen-address=unix:{path}"
    path.write_text("precious")
    expect(verdict, "a file where the socket is to be", 1, "no socket", flag)
    verdict.check(path.read_text() == "precious", "... stays")
    path.unlink()
    os.mkfifo(path)
    expect(verdict, "a FIFO", 1, "no socket", flag)
    verdict.check(path.is_fifo(), "... stays")
    path.unlink()
    path.symlink_to(directory / "target")
    expect(verdict, "a symbolic link", 1, "no socket", flag)
    verdict.check(path.is_symlink(), "... stays")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as owner:
        owner.bind(str(path))
        owner.listen(0)
        clients = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(str(path))
        began = time.monotonic()
        expect(verdict, "a socket whose backlog is full", 1, "another process has this socket", flag)
        verdict.check(time.monotonic() - began < 4, f"... in {time.monotonic() - began:.1f} s")
        for client in clients:
            client.close()
    # Now it is stale.
    process = subprocess.Popen([EXPORTER, flag], stderr=subprocess.DEVNULL)

    def healthy():
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            try:
                client.connect(str(path))
                client.sendall(b"GET /-/healthy HTTP/1.0\r\n\r\n")
                return b" 200 " in client.recv(100)
            except OSError:
                return False
    verdict.check(wait_until(healthy, 20), "a stale socket is replaced")
    process.terminate()
    verdict.check(process.wait(10) == 0, "... and it ends well")


def check_web_config(verdict, directory):
    config = directory / "web.yml"
    os.mkfifo(config)
    expect(verdict, "a FIFO as web configuration", 1, "not a regular file", ADDRESS,
           f"--web.config.file={config}")
    config.unlink()
    config.write_text("[" * 900_000)
    expect(verdict, "900 KB of brackets", 1, "KiB", ADDRESS, f"--web.config.file={config}")
    config.write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
    exporter = WebExporter(EXPORTER, 10217, f"--web.config.file={config}")
    config.unlink()
    os.mkfifo(config)
    verdict.check(wait_until(lambda: "not a regular file" in exporter.log(), 10),
                  "one that becomes a FIFO is refused")
    exporter.get("/metrics")
    memory = exporter.status("VmRSS")  # it takes some megabytes more once it counts
    config.unlink()
    config.write_text("[" * 100_000)
    verdict.check(wait_until(lambda: "more brackets" in exporter.log(), 10), "... or brackets")
    verdict.check(exporter.get("/-/healthy").headers.get("x-frame-options") == "deny"
                  and exporter.status("VmRSS") - memory < 16384, "... and what was in force stays")
    verdict.check(exporter.stop() < 5 and exporter.process.returncode == 0, "... and it ends well")


def mount_silent(where):
    """A file system of a program (FUSE) that never answers: whoever looks at a file of it waits. None if it cannot be
    had; closed, it is gone."""
    try:
        device = os.open("/dev/fuse", os.O_RDWR)
    except OSError:
        return None
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"silent", str(where).encode(), b"fuse", 0, options) == 0:
        return device
    os.close(device)
    return None


def check_silent_files(verdict, directory):
    config, mount = directory / "link.yml", directory / "silent"
    mount.mkdir()
    plain = directory / "plain.yml"
    plain.write_text("http_server_config: {headers: {X-Frame-Options: deny}}\n")
    config.symlink_to(plain)
    exporter = WebExporter(EXPORTER, 10217, f"--web.config.file={config}")
    device = mount_silent(mount)
    if device is None:
        exporter.stop()
        print("there is no FUSE here: a web configuration that never answers is not tried", flush=True)
        return
    config.unlink()
    config.symlink_to(mount / "web.yml")
    verdict.check(wait_until(lambda: "is not to be read in time" in exporter.log(), 10),
                  "a web configuration on a file system that does not answer: the log says so")
    answer = exporter.get("/metrics")
    verdict.check(answer.status == 200 and answer.headers.get("x-frame-options") == "deny",
                  "... and what was in force stays")
    config.unlink()
    config.symlink_to(plain)
    exporter.hang_up_signal()
    exporter.process.terminate()
    try:
        status = exporter.process.wait(5)
    except subprocess.TimeoutExpired:
        status = "waits"
    verdict.check(status == 0, f"... and SIGTERM ends it: {status}")
    os.close(device)
    subprocess.run(["umount", "-l", mount], check=False)


def check_pin_directories(verdict, directory):
    """Who else could exchange or lock what is pinned."""
    mount = directory / "bpf"
    mount.mkdir()
    if subprocess.run(["mount", "-t", "bpf", "bpf", mount], check=False).returncode != 0:
        print("there is no BPF file system here: pin directories are not tried", flush=True)
        return
    nobody = 65534
    try:
        for name, mode, owner in (("other", 0o700, nobody), ("open", 0o777, 0), ("sticky", 0o1777, 0), ("own", 0o755, 0)):
            (mount / name).mkdir()
            (mount / name).chmod(mode)
            os.chown(mount / name, owner, owner)
        for parent in ("other", "open", "sticky"):
            (mount / parent / "pins").mkdir(0o700)
        for link, owner in (("link", 0), ("others-link", nobody)):
            (directory / link).symlink_to(mount)
            os.chown(directory / link, owner, owner, follow_symlinks=False)
        for what, words, path in [
                ("another user's pin directory", "belongs to another user", mount / "other"),
                ("one that others may write to", "can be written to by others", mount / "open"),
                ("one in another user's directory", "belongs to another user", mount / "other" / "pins"),
                ("one in a directory that others may write to", "can be written to by others", mount / "open" / "pins"),
                ("one by a symbolic link of another user", "symbolic link of others",
                 directory / "others-link" / "own")]:
            expect(verdict, what, 1, words, ADDRESS, f"--bpf.pin-dir={path}")
        lock = ["setpriv", f"--reuid={nobody}", f"--regid={nobody}", "--clear-groups", "flock", "--nonblock"]
        directory.chmod(0o755)
        for what, path in [("one by root's own link", directory / "link" / "own"),
                           ("one in a sticky directory", mount / "sticky" / "pins")]:
            exporter = WebExporter(EXPORTER, 10217, f"--bpf.pin-dir={path}")
            verdict.check(exporter.get("/metrics").status == 200, f"{what} is taken")
            exporter.stop()
            locked = subprocess.run([*lock, path, "true"], check=False, stderr=subprocess.DEVNULL).returncode
            verdict.check(locked != 0, "... and cannot be locked by others")
            subprocess.run([EXPORTER, f"--bpf.pin-dir={path}", "--bpf.unpin"], check=True, stderr=subprocess.DEVNULL)
    finally:
        subprocess.run(["umount", mount], check=True)


def check_standard_error(verdict):
    process = subprocess.Popen(["/bin/sh", "-c", 'exec "$0" "$1" 0<&- 1>&- 2>&-', EXPORTER, ADDRESS])

    def status():
        connection = http.client.HTTPConnection("127.0.0.1", 10215, timeout=5)
        try:
            connection.request("GET", "/metrics")
            answer = connection.getresponse()
            return answer.status if answer.read() else None
        except OSError:
            return None
    verdict.check(wait_until(lambda: status() == 200, 20), "all standard descriptors closed: it serves")
    targets = [os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in (0, 1, 2)]
    verdict.check(targets == ["/dev/null"] * 3, f"... and they are {targets}")
    process.terminate()
    process.wait(10)

    reader, writer = os.pipe()
    process = subprocess.Popen([EXPORTER, ADDRESS, "--log.level=debug"], stderr=writer)
    verdict.check(wait_until(lambda: status() == 200, 20), "standard error that nobody reads: it serves")
    for _ in range(300):  # each is cut off, which is logged
        with socket.create_connection(("127.0.0.1", 10215), 5) as connection:
            connection.sendall(b"nonsense " + b"x" * 300 + b"\r\n\r\n")
    answers = [status() for _ in range(20)]
    verdict.check(answers == [200] * 20, "... and goes on serving once the pipe is full")
    process.send_signal(signal.SIGTERM)
    verdict.check(process.wait(10) == 0, "... and ends")
    os.close(reader)
    os.close(writer)


def check_systemd_socket(verdict):
    expect(verdict, "--web.systemd-socket without systemd", 1, "systemd gave no socket",
           "--web.systemd-socket")
    expect(verdict, "... and with sockets that are for another process", 1, "systemd gave no socket",
           "--web.systemd-socket", env={**os.environ, "LISTEN_PID": "1", "LISTEN_FDS": "1"})
    listener = socket.create_server(("127.0.0.1", 10218))
    as_systemd = ("import os, sys; os.dup2(int(sys.argv[1]), 3); "
                  "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
                  "os.execv(sys.argv[2], sys.argv[2:])")
    process = subprocess.Popen(
        [sys.executable, "-c", as_systemd, str(listener.fileno()), EXPORTER, "--web.systemd-socket"],
        pass_fds=[listener.fileno()], stderr=subprocess.DEVNULL)

    def status():
        connection = http.client.HTTPConnection("127.0.0.1", 10218, timeout=20)
        connection.request("GET", "/-/healthy")
        return connection.getresponse().status
    verdict.check(status() == 200, "a socket of systemd is served")
    process.terminate()
    verdict.check(process.wait(10) == 0, "... and it ends well")
    with socket.create_connection(("127.0.0.1", 10218), 5):
        verdict.check(True, "... and leaves the socket listening")
    listener.close()


def check_socket_activation(verdict, directory):
    """systemd's own program, with two sockets; it starts the exporter once somebody connects."""
    path = directory / "activated"
    process = subprocess.Popen(["systemd-socket-activate", "--listen=127.0.0.1:10239", f"--listen={path}",
                                EXPORTER, "--web.systemd-socket"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(path.exists, 20)
    first = http.client.HTTPConnection("127.0.0.1", 10239, timeout=30)
    first.request("GET", "/-/healthy")
    verdict.check(first.getresponse().status == 200, "systemd-socket-activate: who connects first is served")
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(30)
        other.connect(str(path))
        other.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: other.recv(65536), b""))
    verdict.check(answer.startswith(b"HTTP/1.1 200") and b"\nkvm_exporter_build_info" in answer,
                  "... and the other socket, a unix one, too")
    program = os.readlink(f"/proc/{process.pid}/exe")
    verdict.check(program == os.path.realpath(EXPORTER), f"... by {program}")
    process.terminate()
    verdict.check(process.wait(20) == 0, "... and it ends well")


def main():
    verdict = Verdict()
    directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-start-"))
    check_usage(verdict)
    check_limits(verdict)
    check_unix_paths(verdict, directory)
    check_web_config(verdict, directory)
    check_silent_files(verdict, directory)
    check_pin_directories(verdict, directory)
    check_standard_error(verdict)
    check_systemd_socket(verdict)
    check_socket_activation(verdict, directory)
    shutil.rmtree(directory)
    verdict.end()


main()
