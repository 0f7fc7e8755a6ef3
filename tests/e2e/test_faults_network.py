"""The network itself goes wrong (FAULTS F05 to F08, F13), in a namespace of the test's own: black holes, loss in one
direction, loss and a narrow line, a link that goes down, an address that goes away, no ports left. The feed says so in
time, is LIVE again once the way is free, and the ledger balances."""
import contextlib
import pathlib
import resource
import socket
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import netns
from harness import Exchange, LiveEngine, main, venue_sets, wait_until

VENUE = "binance-spot"
PACE = ("--venue", VENUE, "--rate", "2000")


class Network(unittest.TestCase):
    @contextlib.contextmanager
    def running(self, *exchange_args, sets=()):
        """(exchange's port, engine) once LIVE; at the end LIVE again and the ledger at 0."""
        with Exchange(*PACE, *exchange_args) as sim, LiveEngine(sim, *venue_sets(VENUE), *sets) as engine:
            wait_until(engine.is_live, 30, "the feed to be live")
            yield int(sim.url.rsplit(":", 1)[1]), engine
            wait_until(engine.is_live, 60, "the feed to be live again")
            self.assertFlowing(engine)
            got, self.log = engine.finish()
            self.did = sim.summary()
        self.assertEqual(got["ledger"]["residual"], 0)
        self.assertEqual(got["instruments"], 3)
        self.assertEqual(got["rejected"], {})
        self.got = got

    def assertFlowing(self, engine):
        before = engine.count("tickfuse_feed_messages_total")
        wait_until(lambda: engine.count("tickfuse_feed_messages_total") > before + 200, 30, "messages to flow again")

    @staticmethod
    def both_ways(port):
        return f"tcp dport {port}", f"tcp sport {port}"


class Silence(Network):
    def test_a_black_hole_is_seen_within_two_seconds_and_left(self):
        with self.running() as (port, engine):
            with netns.Dropping(*self.both_ways(port)) as hole:
                start = time.monotonic()
                wait_until(lambda: not engine.is_live(), 10, "the silence to be noticed")
                self.assertLess(time.monotonic() - start, 2.5)
                wait_until(lambda: engine.count("tickfuse_feed_disconnects_total") >= 1, 60, "the connection to be left")
                self.assertGreater(hole.dropped(), 0)
        self.assertGreaterEqual(self.did["clients"], 2)

    def test_a_black_hole_for_new_connections_ends_at_the_dialers_deadline(self):
        with self.running("--life", "3s") as (port, engine):
            with netns.Dropping(f"tcp dport {port} tcp flags syn / syn,ack"):
                wait_until(lambda: not engine.is_live(), 30, "the old connection to end")
                time.sleep(5)  # 2 s to connect, and what is drawn between two attempts
        self.assertRegex(self.log, "(?i)connect.*(time|deadline|within)")

    def test_a_venue_that_hears_no_pong_closes_and_is_dialled_again(self):
        with self.running("--hurry", "20") as (port, engine):  # a ping a second, three to answer
            with netns.Dropping(f"tcp dport {port} ct state established") as hole:
                wait_until(lambda: not engine.is_live(), 60, "the line to be left")
                self.assertGreater(hole.dropped(), 0)
        self.assertGreaterEqual(self.did["clients"], 2)


class Quality(Network):
    def check_loss(self, chance, seconds):
        with self.running() as (port, engine):
            with netns.Dropping(*self.both_ways(port), chance=chance) as line:
                time.sleep(seconds)
                self.assertGreater(line.dropped(), 0)
                self.reconnects = engine.count("tickfuse_feed_reconnects_total")

    def test_one_packet_in_a_hundred_lost_is_no_silence(self):
        self.check_loss(1, 6)
        self.assertEqual((self.reconnects, self.got["gaps"]), (0, 0))

    def test_one_packet_in_ten_lost_is_no_silence(self):
        self.check_loss(10, 8)
        self.assertEqual((self.reconnects, self.got["gaps"]), (0, 0))

    def test_three_packets_in_ten_lost_cost_time_and_no_message(self):
        self.check_loss(30, 12)

    def test_a_line_of_one_megabit_is_late_and_loses_nothing(self):
        with self.running() as (_, engine):
            netns.sh("tc qdisc add dev lo root tbf rate 1mbit burst 64kbit latency 800ms")
            try:
                time.sleep(6)
            finally:
                netns.sh("tc qdisc del dev lo root")
        self.assertEqual(self.got["gaps"], 0)


class Links(Network):
    def test_a_link_that_goes_down_and_comes_up_again(self):
        for seconds in (1, 4):
            with self.subTest(seconds), self.running() as (_, engine):
                netns.sh("ip link set lo down")
                time.sleep(seconds)
                netns.sh("ip link set lo up")

    def test_an_address_that_goes_away_and_comes_back(self):
        with self.running() as (_, engine):
            netns.sh("ip addr del 127.0.0.1/8 dev lo")
            time.sleep(3)
            netns.sh("ip addr add 127.0.0.1/8 dev lo")

    def test_packets_that_shrink_to_576_bytes(self):
        with self.running() as (_, engine):
            netns.sh("ip link set lo mtu 576")
            try:
                self.assertFlowing(engine)
                time.sleep(1)
            finally:
                netns.sh("ip link set lo mtu 65536")
        self.assertEqual((self.got["gaps"], self.did["clients"] >= 1), (0, True))


class Exhaustion(Network):
    def test_no_port_is_left_to_dial_from(self):
        with self.running("--life", "4s") as (_, engine):
            was = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text()
            range_file = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
            range_file.write_text("61000 61000")
            with socket.socket() as taken:
                taken.bind(("127.0.0.1", 61000))
                wait_until(lambda: not engine.is_live(), 30, "the old connection to end")
                time.sleep(1.5)
            range_file.write_text(was)
        self.assertIn("assign requested address", self.log)

    def test_no_descriptor_is_left_for_the_next_connection(self):
        with self.running("--life", "4s") as (_, engine):
            pid = engine.process.pid
            soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, hard))  # those that are open stay open
            time.sleep(7)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))
        self.assertIn("Too many open files", self.log)


if __name__ == "__main__":
    netns.enter()
    main()
