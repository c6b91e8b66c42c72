#!/usr/bin/env python3
"""web_tls_test.py EXPORTER: certificates, client certificates and passwords of --web.config.file.

Who may come in and who may not; what it costs to be let in; and that files are read again when
they change, and stay as they were when what they became does not fit.
"""

import os
import pathlib
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))
from verdict import Verdict
from web_client import TLS, Certificates, WebExporter, basic, users, wait_until

SAMPLE = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "web-config.yml"
HEADERS = "http_server_config: {http2: true, headers: {X-Frame-Options: deny}}\n"


def refused(ask):
    """Whether a client is kept out in its handshake, or by a connection that ends."""
    try:
        ask()
        return False
    except (OSError, ssl.SSLError):
        return True


def check_passwords(verdict, exporter):
    alice = basic("alice", "right")
    for path, headers, method, status in [
            ("/metrics", [alice], "GET", 200), ("/metrics", [], "GET", 401),
            ("/metrics", [basic("alice", "wrong")], "GET", 401),
            ("/metrics", [basic("carol", "right")], "GET", 401),
            ("/nothing", [], "GET", 401), ("/", [], "POST", 401), ("/-/healthy", [], "GET", 401),
            ("/metrics?collect[]=x", [], "GET", 401), ("/nothing", [alice], "GET", 404)]:
        answer = exporter.get(path, *headers, method=method)
        verdict.check(answer.status == status and answer.headers["x-frame-options"] == "deny",
                      f"{method} {path} {headers}: {answer.status}")
    verdict.check("Basic" in exporter.get("/").headers["www-authenticate"], "401 says how to ask")


def quickest(exporter, authorization, times=7):
    """Of several: what is left is the work, not the machine's other business."""
    best = 99.0
    for _ in range(times):
        began = time.monotonic()
        exporter.get("/-/healthy", authorization)
        best = min(best, time.monotonic() - began)
    return best


def check_cost_of_passwords(verdict, exporter):
    right, wrong = basic("alice", "right"), basic("alice", "wrong")
    exporter.get("/-/healthy", right)
    times = [quickest(exporter, each) for each in (right, wrong, basic("carol", "right"))]
    measured = "remembered %.1f ms, wrong %.1f ms, unknown user %.1f ms" % tuple(t * 1e3 for t in times)
    verdict.check(times[0] < times[1] / 3 and 0.5 < times[1] / times[2] < 2, measured)

    guesses = [threading.Thread(target=lambda: exporter.get("/", wrong)) for _ in range(60)]
    for guess in guesses:
        guess.start()
    began = time.monotonic()
    status = exporter.get("/metrics", right).status
    took = time.monotonic() - began
    for guess in guesses:
        guess.join()
    verdict.check(status == 200 and took < 5,
                  f"while 60 guess passwords, who is remembered gets {status} in {took:.2f} s")


def check_reload(verdict, exporter, certificates):
    def served():
        with exporter.connect() as connection:
            return ssl.DER_cert_to_PEM_cert(connection.getpeercert(binary_form=True))

    first = (certificates.directory / "server.crt").read_text()
    verdict.check(first.strip().endswith(served().strip()), "the certificate of the file is served")
    second = certificates.make("second")
    certificates.write("server.key", (certificates.directory / "second.key").read_text())
    verdict.check(wait_until(lambda: "stays as it was" in exporter.log())
                  and first.strip().endswith(served().strip()),
                  "a key that does not fit its certificate is not taken")
    certificates.write("server.crt", second)
    verdict.check(wait_until(lambda: second.strip().endswith(served().strip())),
                  "a new certificate is served without a restart")

    certificates.write("web.yml", TLS % "" + users(4, bob="new"))
    verdict.check(wait_until(lambda: exporter.get("/", basic("bob", "new")).status == 200)
                  and exporter.get("/", basic("alice", "right")).status == 401,
                  "users change without a restart")
    certificates.write("web.yml", "tls_server_config: {cert: x}\nnonsense: 1\n")
    verdict.check(wait_until(lambda: "line 1, column 20: tls_server_config needs" in exporter.log()),
                  "a broken file is named with line and column")
    certificates.write("web.yml", users(4, bob="new"))
    verdict.check(wait_until(lambda: "switched on or off" in exporter.log())
                  and exporter.get("/", basic("bob", "new")).status == 200,
                  "TLS is not lost on the way")
    complaints = exporter.log().count("switched on or off")
    exporter.hang_up_signal()
    verdict.check(wait_until(lambda: exporter.log().count("switched on or off") > complaints),
                  "SIGHUP reads it again")
    certificates.write("web.yml", TLS % "" + users(4, bob="new"))  # for promtool, below


def check_odd_files(verdict, binary, certificates):
    """Certificates, keys and authorities that become something else."""
    certificates.make("odd")
    certificates.write("odd.yml", "tls_server_config: {cert_file: odd.crt, key_file: odd.key, client_ca_file: odd-ca.crt,"
                       " client_auth_type: RequestClientCert}\n")
    certificates.write("odd-ca.crt", (certificates.directory / "ca.crt").read_text())
    exporter = WebExporter(binary, 10208, f"--web.config.file={certificates.directory}/odd.yml",
                           tls=certificates.client())
    for name in ("odd.crt", "odd.key", "odd-ca.crt"):
        file = certificates.directory / name
        text = file.read_text()
        for what, words, become in [
                ("a FIFO", "not a regular file", os.mkfifo),
                ("8 GB", "more than 1024 KiB", lambda path: path.open("wb").truncate(8 << 30))]:
            complaint = f"{name}: it"
            before = exporter.log().count(complaint)
            file.unlink()
            become(file)
            named = wait_until(lambda: exporter.log().count(complaint) > before)
            verdict.check(named and words in exporter.log().splitlines()[-1]
                          and exporter.get("/-/healthy").status == 200,
                          f"{name} becomes {what}: {exporter.log().splitlines()[-1]}")
            again = exporter.log().count("has been read again")
            file.unlink()
            file.write_text(text)
            verdict.check(wait_until(lambda: exporter.log().count("has been read again") > again), "... and is one again")
    verdict.check(exporter.stop() < 5, "... and it ends at once")


def check_versions(verdict, binary, certificates):
    def version(context, lowest, highest):
        context.minimum_version, context.maximum_version = lowest, highest
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        return context

    certificates.write("web13.yml", TLS % ", min_version: TLS13, curve_preferences: [X25519]")
    exporter = WebExporter(binary, 10205, f"--web.config.file={certificates.directory}/web13.yml",
                           tls=certificates.client())
    with exporter.connect() as connection:
        verdict.check(connection.version() == "TLSv1.3", "TLS 1.3")
    exporter.tls = version(certificates.client(), ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
    verdict.check(refused(lambda: exporter.get("/")), "min_version: TLS13 keeps TLS 1.2 out")
    exporter.stop()
    certificates.write("web12.yml", TLS % ", max_version: TLS12, cipher_suites:"
                       " [TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256]")
    exporter = WebExporter(binary, 10205, f"--web.config.file={certificates.directory}/web12.yml",
                           tls=certificates.client())
    with exporter.connect() as connection:
        verdict.check(connection.cipher()[:2] == ("ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2"),
                      "TLS 1.2 with the suite asked for")
    exporter.tls = version(certificates.client(), ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
    verdict.check(refused(lambda: exporter.get("/")), "TLS 1.1 is kept out unless it is asked for")
    exporter.stop()


def check_client_certificates(verdict, binary, certificates):
    certificates.make("prometheus", "DNS:prometheus.example")
    certificates.make("other", "DNS:other.example,IP:10.0.0.9")
    strangers = Certificates()
    strangers.make("stranger", "DNS:prometheus.example")
    certificates.write("mtls.yml", TLS % ", client_auth_type: RequireAndVerifyClientCert,"
                       " client_ca_file: ca.crt, client_allowed_sans: [prometheus.example]")
    exporter = WebExporter(binary, 10206, f"--web.config.file={certificates.directory}/mtls.yml",
                           tls=certificates.client("prometheus"))
    verdict.check(exporter.get("/metrics").status == 200, "a client with the right certificate")
    exporter.tls = certificates.client()
    verdict.check(refused(lambda: exporter.get("/metrics")), "not one without")
    exporter.tls = certificates.client("other")
    verdict.check(refused(lambda: exporter.get("/metrics")), "not one of another name")
    exporter.tls = certificates.client()
    exporter.tls.load_cert_chain(strangers.directory / "stranger.crt",
                                 strangers.directory / "stranger.key")
    verdict.check(refused(lambda: exporter.get("/metrics")), "not one of another CA")
    exporter.stop()


def identified(certificates, name):
    """A client's context with the certificate of this name, or none; the CA of the server is known."""
    context = certificates.client()
    if name:
        context.load_cert_chain(*(certificates.directory / f"{name}.{kind}" for kind in ("crt", "key")))
    return context


def admitted(binary, certificates, settings, one_of_them):
    """Which clients a web configuration lets in. One of them must be known, to see that the exporter is there."""
    certificates.write("clients.yml", TLS % (", " + settings))
    exporter = WebExporter(binary, 10206, f"--web.config.file={certificates.directory}/clients.yml",
                           tls=identified(certificates, one_of_them))
    who = []
    for name in (None, "prometheus", "other", "stranger"):
        exporter.tls = identified(certificates, name)
        if not refused(lambda: exporter.get("/-/healthy")):
            who.append(name)
    exporter.stop()
    return who


def check_client_auth_types(verdict, binary, certificates):
    """Each says who comes in; without client_ca_file the authorities of this system count."""
    strangers = Certificates()
    strangers.make("stranger", "DNS:stranger.example")
    for kind in ("crt", "key"):
        certificates.write(f"stranger.{kind}", (strangers.directory / f"stranger.{kind}").read_text())
    everyone = [None, "prometheus", "other", "stranger"]
    for settings, who in [
            ("client_auth_type: NoClientCert", everyone),
            ("client_auth_type: RequestClientCert, client_ca_file: ca.crt", everyone),
            ("client_auth_type: RequireAnyClientCert, client_ca_file: ca.crt", everyone[1:]),
            ("client_auth_type: VerifyClientCertIfGiven", [None]),
            ("client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.crt", everyone[:3]),
            ("client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt", everyone[1:3]),
            ("client_auth_type: RequireAnyClientCert, client_allowed_sans: [stranger.example]", ["stranger"]),
            ("client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.crt,"
             " client_allowed_sans: [other.example]", ["other"])]:
        got = admitted(binary, certificates, settings, who[-1])
        verdict.check(got == who, f"{settings}: {got}")


def check_promtool(verdict, certificates):
    """What we take, the ecosystem's own checker takes too."""
    for name in ("web.yml", "web12.yml", "web13.yml", "sample.yml"):
        done = subprocess.run(["promtool", "check", "web-config", certificates.directory / name],
                              capture_output=True, text=True, check=False)
        verdict.check(done.returncode == 0, f"promtool check web-config {name}: {done.stdout}")


def check_sample(verdict, binary, certificates):
    """deploy/web-config.yml, with files where it says that they are."""
    for kind in ("crt", "key"):
        certificates.write(f"tls.{kind}", (certificates.directory / f"server.{kind}").read_text())
    sample = certificates.write("sample.yml", SAMPLE.read_text())
    exporter = WebExporter(binary, 10207, f"--web.config.file={sample}", tls=certificates.client())
    answer = exporter.get("/metrics", basic("prometheus", "change me"))
    verdict.check(answer.status == 200 and answer.headers["x-content-type-options"] == "nosniff",
                  "deploy/web-config.yml serves")
    exporter.stop()


def check_no_renegotiation(verdict, exporter):
    """A client that would have the handshake again and again, over one connection of TLS 1.2, is cut off."""
    client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{exporter.port}", "-tls1_2"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    time.sleep(1)
    client.stdin.write("R\n")  # what s_client takes for "renegotiate"
    client.stdin.flush()
    try:
        said = client.communicate(timeout=20)[0]
    except subprocess.TimeoutExpired:
        client.kill()
        said = client.communicate()[0]
    verdict.check("RENEGOTIATING" in said and "no renegotiation" in said, "the handshake is made once")


def main():
    verdict = Verdict()
    certificates = Certificates()
    certificates.make("server")
    config = certificates.write("web.yml", TLS % "" + HEADERS + users(alice="right", bob="also"))
    exporter = WebExporter(sys.argv[1], 10204, f"--web.config.file={config}",
                           tls=certificates.client())
    check_passwords(verdict, exporter)
    check_cost_of_passwords(verdict, exporter)
    check_reload(verdict, exporter, certificates)
    check_no_renegotiation(verdict, exporter)
    exporter.stop()
    check_odd_files(verdict, sys.argv[1], certificates)
    check_versions(verdict, sys.argv[1], certificates)
    check_client_certificates(verdict, sys.argv[1], certificates)
    check_client_auth_types(verdict, sys.argv[1], certificates)
    check_sample(verdict, sys.argv[1], certificates)
    check_promtool(verdict, certificates)
    verdict.end()


if __name__ == "__main__":
    main()
