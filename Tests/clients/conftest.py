import signal

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from harness import BINARY, NODE, NODE_MODULES, REDIS_BENCHMARK, REDIS_CLI, Server


# Who runs the tests in the background may ignore it, and so would every client that is ended by it.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionstart(session):
    """Says at once what is missing: a test that is skipped for want of a client would prove nothing."""
    if not BINARY.is_file():
        pytest.exit(f"{BINARY} is not there: make test builds it", returncode=2)
    if not (REDIS_CLI and REDIS_BENCHMARK):
        pytest.exit("redis-cli or redis-benchmark is not there: make setup-tests installs them", returncode=2)
    if not (NODE and (NODE_MODULES / "redis").is_dir()):
        pytest.exit("Debian's nodejs or node-redis is not there: make setup-tests installs them", returncode=2)


@pytest.fixture(scope="module")
def server(request):
    """A server for all tests of a module, with the settings that the module names in SETTINGS."""
    server = Server(*getattr(request.module, "SETTINGS", ()))
    yield server
    assert server.stop() == 0, server.log


@pytest.fixture
def start():
    """Starts servers of a test's own, and ends them with it."""
    servers = []

    def start(*settings, **options):
        servers.append(Server(*settings, **options))
        return servers[-1]

    yield start
    codes = [server.stop() for server in servers]
    assert all(code == 0 for code in codes), "\n".join(server.log for server in servers)


@pytest.fixture
def connect():
    """Makes redis-py clients that do not try again what failed, and closes them with the test."""
    clients = []
    once = Retry(NoBackoff(), 0)

    def connect(server, **options):
        options = {"decode_responses": True, "protocol": 2, "retry": once} | options
        clients.append(redis.Redis(host=server.host, port=server.port, socket_timeout=10, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def client(server, connect):
    """A RESP2 client of an empty server."""
    client = connect(server)
    client.flushall()
    return client


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def either(request, server, connect):
    """A client of an empty server, once in each protocol."""
    client = connect(server, protocol=request.param)
    client.flushall()
    return client
