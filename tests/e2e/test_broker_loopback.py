"""A broker on loopback, away, at a port that connections may be made from: TCP then connects a socket to itself, and while that is
open the broker cannot have its port back. In a network of the test's own, where all connections come from that one port."""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import netns

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from brokers import Nats, Redis, wait_until

PUMP = os.environ.get("BROKER_PUMP", "build/dev/tests/adapters/sink/broker_pump")
PORT = 30000
LONG_S = 200


def connect_from(first, last):
    pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").write_text(f"{first} {last}")


class There:
    """At that port, and not before it is told."""

    def start(self):
        self.port = PORT
        if pathlib.Path(self.dir, "late").exists():
            super().start()
        else:
            pathlib.Path(self.dir, "late").touch()

    def kill(self):
        if self.process:
            super().kill()


class RedisThere(There, Redis):
    pass


class NatsThere(There, Nats):
    pass


class Loopback(unittest.TestCase):
    def pump(self, *arguments):
        log = tempfile.NamedTemporaryFile("w+", prefix="tickfuse-pump-")
        self.addCleanup(log.close)
        pump = subprocess.Popen([PUMP, *map(str, arguments)], stdout=subprocess.PIPE, stderr=log, text=True)
        self.addCleanup(pump.stdout.close)
        self.addCleanup(lambda: pump.poll() is None and (pump.kill(), pump.wait()))
        return pump, lambda pattern: wait_until(pattern, lambda: re.search(pattern, pathlib.Path(log.name).read_text()), LONG_S)

    def setUp(self):
        connect_from(PORT, PORT)

    def test_a_redis_that_is_away_gets_its_port_back(self):
        with RedisThere() as redis:
            pump, wait_for_word = self.pump("redis", f"redis://127.0.0.1:{PORT}", "D", 50)
            wait_for_word("nobody listens there: the connection was to itself")
            connect_from(40000, 50000)
            wait_for_word("Connection refused")  # from another port: the last that was connected to itself is closed
            redis.start()
            out, _ = pump.communicate(timeout=120)
            self.assertEqual(pump.returncode, 0, out)
            self.assertEqual(redis.last("D"), 50)

    def test_a_nats_that_is_away_gets_its_port_back(self):
        with NatsThere() as nats:
            pump, wait_for_word = self.pump("nats", f"nats://127.0.0.1:{PORT}", "D", 50, "create=1")
            wait_for_word("nobody listens there")
            connect_from(40000, 50000)
            nats.start()
            out, _ = pump.communicate(timeout=120)
            self.assertEqual(pump.returncode, 0, out)
            self.assertEqual(nats.last("D"), 50)

    def test_a_receiver_of_posts_that_is_away_is_not_taken_for_one(self):
        # An attempt that ran out of time before it was looked at is closed in order: it must not keep the one port.
        pathlib.Path("/proc/sys/net/ipv4/tcp_max_tw_buckets").write_text("0")
        pump, wait_for_word = self.pump("http", f"http://127.0.0.1:{PORT}/", "D", 1 << 40, "pause_us=2000", "drain_ms=10")
        wait_for_word(f"127.0.0.1:{PORT}: connect: Connection refused")
        pump.terminate()
        pump.wait(LONG_S)


if __name__ == "__main__":
    if not (shutil.which("redis-server") and shutil.which("nats-server")):
        netns.skip("redis-server or nats-server is not installed")
    netns.enter()
    unittest.main(verbosity=2)
