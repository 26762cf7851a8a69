"""Three nodes that know each other by certificates: what they refuse, what is said of it, and how certificates change while the nodes run."""

import functools
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import pytest
import redis

from cluster import Cluster
from cluster_load import key
from harness import BINARY, ROOT, eventually

# The settings whose effect is seen here: test_settings.py holds the list complete.
tested = {"peer-tls-cert-file", "peer-tls-key-file", "peer-tls-key-file-pass", "peer-tls-ca-cert-file", "peer-tls-crl-file"}


@functools.cache
def made():
    """The directory that scripts/test-peer-certificates fills; the script says what is what."""
    keeper = tempfile.TemporaryDirectory(prefix="presenced-peers-")
    subprocess.run([ROOT / "scripts/test-peer-certificates", keeper.name, "a", "b", "c"], check=True)
    return keeper


def source(name):
    return pathlib.Path(made().name) / name


class Certified(Cluster):
    """A cluster each of whose nodes has a folder of its own with the files that its settings name."""

    def __init__(self):
        super().__init__()
        self.folders = {}
        for node in self:
            self.folders[node.name] = pathlib.Path(self.folder.name) / node.name
            self.folders[node.name].mkdir()
            self.give(node)
            node.settings = [
                word for name, file in (("cert-file", "peer.pem"), ("key-file", "peer-key.pem"), ("ca-cert-file", "ca.pem"))
                for word in (f"--peer-tls-{name}", self.folders[node.name] / file)]

    def give(self, node, certificate=None, key=None, ca="ca"):
        """Puts files there: by default the node's own."""
        folder = self.folders[node.name]
        for name, to in ((f"{certificate or node.name}.pem", "peer.pem"), (f"{key or node.name + '-key'}.pem", "peer-key.pem"), (f"{ca}.pem", "ca.pem")):
            shutil.copy(source(name), folder / (to + ".new"))
            os.replace(folder / (to + ".new"), folder / to)

    def check(self, node, *settings):
        """What check-config says of the node's files: exit code, and what is wrong or what holds."""
        run = subprocess.run(
            [BINARY, "check-config", self.conf, "--node", node.name, *map(str, node.settings), *map(str, settings)],
            capture_output=True, text=True, timeout=30)
        return run.returncode, run.stdout if run.returncode == 0 else run.stderr.strip().removeprefix("presenced: ")


@pytest.fixture
def cluster():
    with Certified() as cluster:
        yield cluster


def refusals(node):
    """How often who came to the peer port, or answered there, was refused, by reason."""
    said = node.info()["cluster_refusals"]
    said = said if isinstance(said, dict) else dict(part.split("=") for part in said.split(","))
    return {reason: int(count) for reason, count in said.items()}


def test_nodes_with_certificates_tell_each_other_everything(cluster):
    a, b, c = cluster.start()
    a.ask("PRESENCE.CONNECT", key("ann"), "s", "EX", 60)
    b.client.set("k", "v")
    assert b.client.wait(2, 5_000) == 2
    assert a.client.wait(2, 5_000) == 2
    assert all(node.status("ann") == "online" and node.client.get("k") == "v" for node in cluster)
    assert a.ask("PRESENCE.BLOCK", key("ann"), key("bob")) == 1
    assert c.ask("PRESENCE.VIEW", key("bob"), key("ann")) == ["offline"]
    # A node that dies is noticed and comes back as it does with the secret.
    c.kill()
    eventually(lambda: a.shown()["c"][0] == "master,fail")
    c.start()
    cluster.wait_until_linked()
    eventually(lambda: c.status("ann") == "online")
    assert all(refusals(node)["certificate"] == 0 for node in cluster)


# What each stranger shows, the authority that he himself trusts, and what a node that is not one says of him.
STRANGERS = {
    "another authority": ("c-foreign", "c-key", "both-ca", "self-signed certificate in certificate chain (the certificate of c)"),
    "another node's name": ("b", "b-key", "ca", "the certificate of b"),
    "that of a host of several nodes": ("host", "host-key", "ca", "the certificate of 127.0.0.1"),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_who_shows_the_wrong_certificate_gets_no_link_and_the_others_go_on(cluster, stranger):
    certificate, key_name, ca, said = STRANGERS[stranger]
    a, b, c = cluster.start()
    c.stop()
    eventually(lambda: a.info()["connected_slaves"] == 1)
    before = [refusals(node) for node in (a, b)]
    # A node would not start with it: so here is something at its address that would not look.
    port = c.peer_port
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(source(f"{certificate}.pem"), source(f"{key_name}.pem"))
    context.load_verify_locations(source(f"{ca}.pem"))
    context.verify_mode = ssl.CERT_REQUIRED
    heard = []
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(10)
        deadline = time.monotonic() + 10
        while len(heard) < 3 and time.monotonic() < deadline:
            raw, _ = listener.accept()
            try:
                with context.wrap_socket(raw, server_side=True) as tls:
                    tls.settimeout(5)
                    heard.append(tls.recv(4_096))
            except (ssl.SSLError, ConnectionError) as problem:
                heard.append(repr(problem))
                raw.close()
    # Nobody greeted him: who dialed saw whose certificate it is before he said a word.
    assert len(heard) == 3 and all(isinstance(what, str) or what == b"" for what in heard), heard
    eventually(lambda: said in a.log and said in b.log)
    for node, counts in zip((a, b), before):
        eventually(lambda: refusals(node)["certificate"] > counts["certificate"])
        line = next(line for line in node.log.splitlines() if "cannot reach node c" in line and said in line)
        assert f"cannot reach node c at 127.0.0.1:{port}: " in line
    a.client.set("ours", "1")
    assert a.client.wait(1, 5_000) == 1 and b.client.get("ours") == "1"
    c.start()
    cluster.wait_until_linked()
    eventually(lambda: c.client.get("ours") == "1")


def hello(cluster, name, number):
    """The greeting of a node, as docs/PROTOCOL.md has it, without settings."""
    def text(value):
        return bytes([len(value)]) + value.encode()

    payload = (
        b"presence" + (1).to_bytes(2, "little") + (2).to_bytes(2, "little") + bytes([number]) + text(cluster) + text(name)
        + time.time_ns().to_bytes(8, "little") + (time.time_ns() // 1_000_000).to_bytes(8, "little") + b"\0")
    header = len(payload).to_bytes(4, "little") + bytes([1, 0, 0, 0]) + bytes(4)
    return header + crc32c(header + payload).to_bytes(4, "little") + payload


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def greeting(node, certificate, key_name, name, number):
    """What a node answers to who shows a certificate and then says who he is: the frame, or why there is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.load_verify_locations(source("ca.pem"))
    if certificate:
        context.load_cert_chain(source(f"{certificate}.pem"), source(f"{key_name}.pem"))
    try:
        with context.wrap_socket(socket.create_connection((node.peer_host, node.peer_port), timeout=10)) as tls:
            tls.sendall(hello("shop", name, number))
            return tls.recv(4_096)
    except (ssl.SSLError, ConnectionError) as problem:
        return repr(problem)


def test_one_node_s_key_does_not_speak_as_another(cluster):
    a, b = cluster.start("a", "b").nodes[:2]
    # c is not there: who has its certificate may greet as c, and as nobody else.
    before = refusals(b)
    answer = greeting(b, "c", "c-key", "c", 3)
    assert answer[4] == 2, "a welcome"
    answer = greeting(b, "c", "c-key", "a", 1)
    assert answer[4] == 3 and answer[16:18] == (8).to_bytes(2, "little"), "a refusal for its certificate"
    text = answer[20:].decode()
    assert text == (
        "node 2 (b) was shown the certificate of c by who says that it is node 1 (a); a node's certificate names that node, or a host "
        "that is its alone")
    eventually(lambda: refusals(b)["greeting"] > before["greeting"])
    assert f"no link with node a: {text}" in b.log
    assert a.info()["connected_slaves"] == 1, "the true a is still linked"
    # The host is that of several nodes, so a certificate of it is nobody's.
    assert greeting(b, "host", "host-key", "c", 3)[16:18] == (8).to_bytes(2, "little")
    for certificate, key_name, said in (
            ("c-expired", "c-key", "certificate verify failed: certificate has expired (the certificate of c)"),
            ("c-foreign", "c-key", "certificate verify failed: unable to get local issuer certificate (the certificate of c)"),
            ("c-server", "c-key", "certificate verify failed: un"),
            (None, None, "peer did not return a certificate")):
        count = refusals(b)["certificate"]
        assert isinstance(greeting(b, certificate, key_name, "c", 3), (str, bytes))
        eventually(lambda: refusals(b)["certificate"] == count + 1)
    # The log is told seldom of what others can cause at will: the first of a kind is there.
    assert "127.0.0.1 on the peer port: TLS handshake failed: certificate verify failed: certificate has expired (the certificate of c); " \
        "node b, which shows the certificate of b, takes those of the authorities in peer-tls-ca-cert-file" in b.log


def test_the_secret_opens_nothing_where_certificates_are_shown(cluster):
    a, b, c = cluster
    c.settings = ()
    a.start()
    b.start()
    c.start()
    eventually(lambda: a.info()["connected_slaves"] == b.info()["connected_slaves"] == 1, 20)
    eventually(lambda: "cannot reach node c" in a.log and "cannot reach node c" in b.log, 20)
    time.sleep(1)
    assert c.info()["connected_slaves"] == 0
    # It changes over while it runs.
    c.client.execute_command("CONFIG", "SET", *[
        word for name, file in (("cert-file", "c.pem"), ("key-file", "c-key.pem"), ("ca-cert-file", "ca.pem"))
        for word in (f"peer-tls-{name}", str(source(file)))])
    cluster.wait_until_linked()


def test_a_node_with_another_secret_is_told_so(cluster):
    a, b, c = cluster
    other = pathlib.Path(cluster.folder.name) / "other"
    other.write_text("5a" * 32)
    other.chmod(0o600)
    c.settings = [*c.settings, "--secret-file", other]
    a.start()
    b.start()
    c.start()
    text = "node 3 (c) and node 1 (a) have different secrets; have the same secret-file on all nodes"
    eventually(lambda: text in a.log and text in c.log, 20)
    eventually(lambda: a.info()["connected_slaves"] == b.info()["connected_slaves"] == 1, 20)
    assert c.info()["connected_slaves"] == 0
    c.settings = c.settings[:-2]
    c.restart()
    cluster.wait_until_linked()


def test_certificates_change_while_nodes_run(cluster):
    a, b, c = cluster.start()
    # The authority is changed in three steps, at each of which all nodes are linked: trust both, show the new, trust the new.
    ears = [node.peers() for node in cluster]
    for step, (certificate, ca) in enumerate([("{}", "both-ca"), ("{}-foreign", "both-ca"), ("{}-foreign", "foreign-ca")]):
        for node in cluster:
            cluster.give(node, certificate.format(node.name), ca=ca)
            if step % 2:
                node.server.signal(signal.SIGHUP)
                eventually(lambda: "SIGHUP: settings and certificates were read again" in node.log)
            else:
                node.client.execute_command("CONFIG", "SET", "peer-tls-ca-cert-file", str(cluster.folders[node.name] / "ca.pem"))
    # Links are those that were there.
    assert [{name: peer["reconnects"] for name, peer in node.peers().items()} for node in cluster] == [
        {name: peer["reconnects"] for name, peer in peers.items()} for peers in ears]
    # Who comes now shows and trusts the new: the old opens nothing any more.
    count = refusals(a)["certificate"]
    greeting(a, "c", "c-key", "c", 3)
    eventually(lambda: refusals(a)["certificate"] > count)
    c.restart()
    cluster.wait_until_linked()


def test_a_node_whose_certificate_was_taken_back_loses_its_links_and_gets_none(cluster):
    a, b, c = cluster.start()

    def take_back(list_):
        for node in (a, b):
            file = cluster.folders[node.name] / "crl.pem"
            shutil.copy(source(f"{list_}.pem"), file)
            node.client.execute_command("CONFIG", "SET", "peer-tls-crl-file", str(file))

    take_back("crl")
    c.restart()
    cluster.wait_until_linked()
    take_back("c-crl")
    closing = "closing the link with node c: a list in peer-tls-crl-file says that its certificate was taken back"
    eventually(lambda: closing in a.log and closing in b.log)
    assert refusals(a)["certificate_revoked"] == refusals(b)["certificate_revoked"] == 1
    eventually(lambda: c.info()["connected_slaves"] == 0)
    assert c.client.wait(1, 100) == 0
    c.restart()
    reason = "certificate verify failed: certificate revoked (the certificate of c)"
    eventually(lambda: reason in a.log and reason in b.log, 20)
    assert a.info()["connected_slaves"] == b.info()["connected_slaves"] == 1
    assert c.info()["connected_slaves"] == 0
    eventually(lambda: refusals(a)["certificate"] > 0 and refusals(b)["certificate"] > 0)
    # What it is given instead is another one.
    take_back("crl")
    cluster.wait_until_linked()
    for node, list_, said in (
            (c, "c-crl", "peer-tls-cert-file .*: certificate revoked"),
            (a, "old-crl", "peer-tls-crl-file .*: its list of CN=ca ended on 2020-02-01 00:00 UTC: have that authority make a new one"),
            (a, "a", "peer-tls-crl-file .*: no start line")):
        with pytest.raises(redis.ResponseError, match=said):
            node.client.execute_command("CONFIG", "SET", "peer-tls-crl-file", str(source(f"{list_}.pem")))
    code, said = cluster.check(c, "--peer-tls-crl-file", source("c-crl.pem"))
    assert code == 1 and said.startswith("--peer-tls-cert-file: peer-tls-cert-file "), said


def test_what_cannot_be_used_changes_nothing(cluster):
    a, b, c = cluster.start()
    folder = cluster.folders["a"]

    def refused(certificate, key_name, text):
        cluster.give(a, certificate, key_name)
        with pytest.raises(redis.ResponseError) as problem:
            a.client.execute_command("CONFIG", "SET", "timeout", "77", "peer-tls-cert-file", str(folder / "peer.pem"))
        assert text in str(problem.value)
        assert a.client.config_get("timeout") == {"timeout": "0"}
        a.server.signal(signal.SIGHUP)
        eventually(lambda: any("SIGHUP: nothing was changed: " in line and text in line for line in a.log.splitlines()))

    refused("a-expired", "a-key", f"peer-tls-cert-file {folder}/peer.pem: certificate has expired")
    refused("b", "b-key", f"peer-tls-cert-file {folder}/peer.pem: it is the certificate of b, and this node is a: ")
    refused("a", "b-key", f"peer-tls-key-file {folder}/peer-key.pem: it is not the key of peer-tls-cert-file {folder}/peer.pem")
    with pytest.raises(redis.ResponseError, match="alone makes no certificates for nodes: set peer-tls-key-file too"):
        a.client.execute_command("CONFIG", "SET", "peer-tls-key-file", "")
    # What is in force is what was there before: a node that comes finds it.
    b.restart()
    cluster.give(a)
    a.server.signal(signal.SIGHUP)
    cluster.wait_until_linked()
    # A locked key, with its password.
    cluster.give(a, key="a-locked")
    with pytest.raises(redis.ResponseError, match="the key is locked: set peer-tls-key-file-pass"):
        a.client.execute_command("CONFIG", "SET", "peer-tls-key-file", str(folder / "peer-key.pem"))
    a.client.execute_command("CONFIG", "SET", "peer-tls-key-file", str(folder / "peer-key.pem"), "peer-tls-key-file-pass", "sesame")
    c.restart()
    cluster.wait_until_linked()


def test_check_config_explains_what_is_wrong_with_certificates(cluster):
    a = cluster["a"]
    folder = cluster.folders["a"]
    code, said = cluster.check(a)
    assert (code, said.splitlines()[0]) == (0, "ok")
    assert "nodes know each other by certificates" in said.splitlines()[1]

    def problem(text, *settings):
        code, said = cluster.check(a, *settings)
        assert code == 1 and said.startswith(text), said

    os.chmod(folder / "peer-key.pem", 0o640)
    problem(f"--peer-tls-key-file: peer-tls-key-file: others may read {folder}/peer-key.pem (mode 640): chmod 600 {folder}/peer-key.pem")
    cluster.give(a, "a-expired")
    problem(f"--peer-tls-cert-file: peer-tls-cert-file {folder}/peer.pem: certificate has expired")
    cluster.give(a, "a-server")
    problem(f"--peer-tls-cert-file: peer-tls-cert-file {folder}/peer.pem: un")
    cluster.give(a, "a-foreign")
    problem(f"--peer-tls-cert-file: peer-tls-cert-file {folder}/peer.pem: unable to get local issuer certificate")
    cluster.give(a, key="b-key")
    problem(f"--peer-tls-key-file: peer-tls-key-file {folder}/peer-key.pem: it is not the key of peer-tls-cert-file {folder}/peer.pem")
    cluster.give(a, "b", "b-key")
    problem(
        f"--peer-tls-cert-file: peer-tls-cert-file {folder}/peer.pem: it is the certificate of b, and this node is a: other nodes take it "
        "for a only if it names it, subjectAltName=DNS:a")
    cluster.give(a, "host", "host-key")
    problem(f"--peer-tls-cert-file: peer-tls-cert-file {folder}/peer.pem: it is the certificate of 127.0.0.1, and this node is a")
    cluster.give(a)
    problem("--peer-tls-cert-file: peer-tls-cert-file /nowhere.pem: No such file or directory", "--peer-tls-cert-file", "/nowhere.pem")
    # One that names them all is allowed, and worth a word.
    cluster.give(a, "all", "all-key")
    code, said = cluster.check(a)
    assert code == 0 and "names node b, c too: whoever has its key may speak as each of them" in said, said
