"""An exporter to talk to over raw sockets, plain or by TLS. For the tests of the web side."""

import atexit
import base64
import gzip
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import warnings

from exporter import OwnProcess

warnings.simplefilter("ignore", DeprecationWarning)  # crypt, and TLS 1.1
import crypt  # noqa: E402

TLS = "tls_server_config: {cert_file: server.crt, key_file: server.key%s}\n"


def users(cost=10, **passwords):
    lines = [f"  {name}: {crypt.crypt(word, crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=2**cost))}\n"
             for name, word in passwords.items()]
    return "basic_auth_users:\n" + "".join(lines)


class Answer:
    """A response: status, headers (names in lower case; of one name, joined), body as sent."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def content(self):
        return gzip.decompress(self.body) if self.headers.get("content-encoding") == "gzip" else self.body

    def text(self):
        return self.content().decode()


def read_answer(stream, method="GET"):
    """The next response from a file made of a socket; None if the connection ended instead."""
    line = stream.readline(65536)
    if not line:
        return None
    status, headers = int(line.split()[1]), {}
    while (line := stream.readline(65536).strip()):
        name, value = line.decode().split(":", 1)
        name = name.lower()
        headers[name] = (headers[name] + ", " if name in headers else "") + value.strip()
    if method == "HEAD":
        return Answer(status, headers, b"")
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while (size := int(stream.readline(65536), 16)):
            body += stream.read(size)
            assert stream.readline(65536) == b"\r\n"
        assert stream.readline(65536) == b"\r\n"
    elif "content-length" in headers:
        body = stream.read(int(headers["content-length"]))
        assert len(body) == int(headers["content-length"]), "cut off"
    else:
        body = stream.read()
    return Answer(status, headers, body)


def basic(user, password):
    return "Authorization: Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class WebExporter(OwnProcess):
    """The exporter as a child process, with its log and what it takes."""

    def __init__(self, binary, port, *flags, tls=None, host="127.0.0.1"):
        self.port, self.tls, self.host = port, tls, host
        self.log_file = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [binary, f"--web.listen-address={host}:{port}", *flags], stderr=self.log_file)
        atexit.register(self.stop)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                # Whoever asks for a password is there, too.
                if self.get("/-/ready").status in (200, 401):
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise SystemExit(f"FAILED: the exporter did not start:\n{self.log()}")

    def log(self):
        self.log_file.seek(0)
        return self.log_file.read()

    def connect(self, timeout=30, receive_buffer=None):
        """A connected socket, wrapped if the exporter speaks TLS."""
        plain = self.connect_plain(timeout, receive_buffer)
        return self.tls.wrap_socket(plain, server_hostname="localhost") if self.tls else plain

    def connect_plain(self, timeout=30, receive_buffer=None):
        raw = socket.socket(socket.AF_INET)
        if receive_buffer:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        raw.settimeout(timeout)
        raw.connect((self.host, self.port))
        return raw

    def ask_for_many(self, receive_buffer, timeout=30):
        """A connection that has asked for as many expositions as it takes, and read none of them."""
        connection = self.connect_plain(timeout, receive_buffer)
        connection.setblocking(False)
        try:
            for _ in range(400):
                connection.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 20)
        except BlockingIOError:
            pass
        return connection

    def ask(self, data, method="GET"):
        """Sends bytes over a connection of their own; the first answer, or None."""
        with self.connect() as connection:
            connection.sendall(data)
            with connection.makefile("rb") as stream:
                return read_answer(stream, method)

    def get(self, path, *headers, method="GET"):
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
        answer = self.ask(("\r\n".join(lines) + "\r\n\r\n").encode(), method)
        if answer is None:
            raise OSError("no answer")
        return answer

    def hang_up_signal(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self):
        """Ends it; how many seconds that took."""
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)
        return time.monotonic() - began


def wait_until(condition, seconds=30):
    """Whether the condition comes true within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return condition()


class Certificates:
    """A directory with a CA, and certificates by it, made with the openssl command."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="kvmx-web-"))
        atexit.register(shutil.rmtree, self.directory)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test CA",
                     "-days", "2")

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True)

    def make(self, name, san="DNS:localhost,IP:127.0.0.1"):
        """NAME.key and NAME.crt; the certificate's text."""
        (self.directory / "san").write_text(f"subjectAltName={san}\n")
        self.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
                     "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", f"{name}.crt")
        return (self.directory / f"{name}.crt").read_text()

    def write(self, name, text):
        """A file of the directory, replaced at once."""
        new = self.directory / (name + ".new")
        new.write_text(text)
        new.rename(self.directory / name)
        return self.directory / name

    def client(self, name=None):
        """A client's context that trusts the CA, with a certificate of its own or none."""
        context = ssl.create_default_context(cafile=self.directory / "ca.crt")
        if name:
            context.load_cert_chain(self.directory / f"{name}.crt", self.directory / f"{name}.key")
        return context
