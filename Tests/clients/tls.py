"""Certificates of this run, and clients that speak TLS as they are told."""

import functools
import pathlib
import socket
import ssl
import subprocess
import tempfile

from harness import REDIS_CLI, ROOT, Raw, Server, free_port


@functools.cache
def certificates():
    """The directory that scripts/test-certificates fills; the script says what is what."""
    keeper = tempfile.TemporaryDirectory(prefix="presenced-tls-")
    subprocess.run([ROOT / "scripts/test-certificates", keeper.name], check=True)
    return keeper


def file(name):
    return str(pathlib.Path(certificates().name) / name)


def settings(name="server", auth="no", port=None):
    """The settings of a server with that certificate."""
    return (
        "--tls-port", port or free_port(), "--tls-cert-file", file(f"{name}.pem"), "--tls-key-file", file(f"{name}-key.pem"),
        "--tls-ca-cert-file", file("ca.pem"), "--tls-auth-clients", auth)


class SecureServer(Server):
    """A presenced with a TLS port beside the plain one."""

    def __init__(self, *more, auth="no", name="server", **options):
        self.tls_port = free_port()
        super().__init__(*settings(name, auth, self.tls_port), *more, **options)

    def tls(self, **options):
        return SecureRaw(self.host, self.tls_port, **options)

    def tls_cli(self, *words, certificate=None, check=True):
        """What redis-cli --tls prints."""
        options = ["--cert", file(f"{certificate}.pem"), "--key", file(f"{certificate}-key.pem")] if certificate else []
        run = subprocess.run(
            [REDIS_CLI, "-h", self.host, "-p", str(self.tls_port), "--tls", "--cacert", file("ca.pem"), *options, *words],
            capture_output=True, text=True, timeout=30)
        assert not check or run.returncode == 0, run.stdout + run.stderr
        return (run.stdout + run.stderr).strip()

    def served_certificate(self):
        """The subject of the certificate that a new connection is shown."""
        with self.tls() as raw:
            subject = raw.socket.getpeercert()["subject"]
        return dict(pair for part in subject for pair in part)["commonName"]

    @property
    def descriptors(self):
        return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))


def context(certificate=None, version=None):
    context = ssl.create_default_context(cafile=file("ca.pem"))
    if certificate:
        context.load_cert_chain(file(f"{certificate}.pem"), file(f"{certificate}-key.pem"))
    if version:
        context.minimum_version = context.maximum_version = version
    return context


class SecureRaw(Raw):
    """A TLS connection that sends commands as they are and reads replies one by one."""

    def __init__(self, host, port, certificate=None, version=None):
        self.buffer = b""
        self.socket = context(certificate, version).wrap_socket(
            socket.create_connection((host, port), timeout=10), server_hostname=host)


class Wire:
    """TLS whose records pass through the hands of the test: it decides which bytes go over the socket, and when."""

    def __init__(self, host, port, version=None):
        self.socket = socket.create_connection((host, port), timeout=10)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context(version=version).wrap_bio(self.incoming, self.outgoing, server_hostname=host)

    def close(self):
        self.socket.close()

    def send_all(self, piece=65536):
        """Sends what TLS wants to send, in pieces."""
        data = self.outgoing.read()
        for start in range(0, len(data), piece):
            self.socket.sendall(data[start:start + piece])

    def _until_done(self, action, piece):
        while True:
            try:
                result = action()
                self.send_all(piece)
                return result
            except ssl.SSLWantReadError:
                self.send_all(piece)
                data = self.socket.recv(65536)
                if not data:
                    raise EOFError from None
                self.incoming.write(data)

    def shake_hands(self, piece=65536):
        self._until_done(self.tls.do_handshake, piece)
        return self

    def records(self, data):
        """The records that carry `data`; they are not sent."""
        self.tls.write(data)
        return self.outgoing.read()

    def read(self, count):
        data = bytearray()
        while len(data) < count:
            data += self._until_done(lambda: self.tls.read(65536), 65536)
        return bytes(data)
