"""What stands between an engine and its venue (FAULTS F02 to F05, F09, F12, F14): resets, cuts, segments, captive
portals, redirects, refusals, servers that drip or say nothing. Each ends in a clear error and, when the way is free
again, in a live feed."""
import json
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chaos_http import ChaosHttp
from chaostcp import ChaosTcp, Fault
from harness import DEMO, Exchange, main, run, shm_name

HEAD_BYTES = 2048
FEEDS = 8  # of one engine
NIGHTLY = os.environ.get("TF_NIGHTLY") == "1"


def port_of(exchange):
    return int(exchange.url.rsplit(":", 1)[1])


CONFIG = """
engine: {{profile: basic}}
feeds:
{feeds}
features: [mid]
strategies: [{{name: t, buy: "mid > 0", books: all, max_rate: 50/s}}]
sinks: [{{type: shm, path: {stream}}}]
http: {{listen: "off"}}
"""
FEED = """  - name: {name}
    venue: binance-spot
    channels: [trade, quote]
    instruments: [{name}]
    url: {scheme}://127.0.0.1:{port}
    rest: {rest}
    ca_file: {ca}
"""


def write_config(path, names_ports, exchange):
    """A feed a port, of the exchange's scheme and with its REST."""
    ca, scheme = exchange.ca and exchange.ca[0], exchange.url.split(":")[0]
    feeds = "".join(FEED.format(name=name, port=port, ca=ca, scheme=scheme, rest=exchange.rest) for name, port in names_ports)
    if not ca:
        feeds = "".join(line for line in feeds.splitlines(True) if "ca_file" not in line)
    pathlib.Path(path).write_text(CONFIG.format(feeds=feeds, stream=shm_name()))


class Proxy(unittest.TestCase):
    def run_through(self, faults, *exchange_args, seconds="5s"):
        """One feed a fault, which its first connection meets; (summary, stderr, proxies)."""
        names = [f"S{i}" for i in range(len(faults))]
        with Exchange("--symbols", ",".join(names), "--rate", "3000", *exchange_args) as exchange, \
                tempfile.NamedTemporaryFile(suffix=".yaml") as config:
            proxies = [ChaosTcp(port_of(exchange), lambda n, f=f: f if n == 0 else Fault()) for f in faults]
            write_config(config.name, zip(names, (p.port for p in proxies)), exchange)
            out, err = run("run", config.name, "--for", seconds, "--json")
            for proxy in proxies:
                proxy.__exit__()
            return json.loads(out), err, proxies

    def check(self, faults, *exchange_args, seconds="5s"):
        got, err, proxies = self.run_through(faults, *exchange_args, seconds=seconds)
        self.assertEqual(got["ledger"]["residual"], 0)
        self.assertEqual(got["instruments"], len(faults), "every feed came live in the end")
        for fault, proxy in zip(faults, proxies):
            self.assertGreaterEqual(proxy.connections, 2, fault)
            self.assertEqual(proxy.faults_done, 1, fault)
        return got, err

    def bytes_of(self, step):
        """Places in the first 2 KiB; all of them by night."""
        return range(0, HEAD_BYTES) if NIGHTLY else range(0, HEAD_BYTES, step)

    def in_runs(self, kind, step, *exchange_args):
        places = list(self.bytes_of(step))
        for i in range(0, len(places), FEEDS):
            with self.subTest(f"{kind} at {places[i]}..."):
                self.check([Fault(**{kind: at}) for at in places[i:i + FEEDS]], *exchange_args)

    def test_reset_at_any_byte_of_the_first_2_kib(self):
        self.in_runs("reset_at", 131)

    def test_reset_at_any_byte_of_the_first_2_kib_under_tls(self):
        self.in_runs("reset_at", 131, "--tls")

    def test_end_of_stream_at_any_byte_of_the_first_2_kib(self):
        self.in_runs("fin_at", 263)

    def test_flipped_ciphertext_is_never_taken_for_data(self):
        got, _ = self.check([Fault(flip_at=at) for at in (7, 100, 700, 1500, 2500, 3500)], "--tls")
        self.assertEqual(got["rejected"], {})

    def test_segments_of_any_size_make_the_same_feed(self):
        faults = [Fault(segment=n) for n in (1, 2, 7, 997)]
        got, _, proxies = self.run_through(faults, "--rate", "200", seconds="3s")
        self.assertEqual([p.connections for p in proxies], [1] * 4)
        self.assertEqual((got["instruments"], got["rejected"], got["gaps"]), (4, {}, 0))
        self.assertEqual(got["ledger"]["residual"], 0)


class Answers(unittest.TestCase):
    """The upgrade is answered by something that is no venue."""

    def engine(self, answer, seconds="2500ms"):
        with ChaosHttp(answer) as server:
            out, err = run("run", DEMO, "--for", seconds, "--json", "--set", f"feeds.0.url=ws://127.0.0.1:{server.port}",
                           "--set", f"feeds.0.rest=http://127.0.0.1:{server.port}", "--set", f"sinks.0.path={shm_name()}",
                           "--set", "http.listen=off")
            got = json.loads(out)
            self.assertEqual(got["messages"], 0)
            self.assertEqual(got["ledger"]["residual"], 0)
            return err, server.times

    @staticmethod
    def http(status, headers, body):
        return (f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n" +
                "".join(f"{h}\r\n" for h in headers) + "\r\n" + body).encode()

    def test_captive_portal_is_named_with_the_beginning_of_its_page(self):
        page = "<!DOCTYPE html><html><head><title>Sign in to Hotel Wifi</title></head>" + "<p>x</p>" * 200
        err, _ = self.engine(lambda n: self.http("200 OK", ["Content-Type: text/html"], page))
        self.assertRegex(err, r"status[_ ]200")
        self.assertIn("Sign in to Hotel Wifi", err)

    def test_redirect_is_not_followed_and_says_where_to(self):
        with ChaosHttp(lambda n: b"") as elsewhere:
            where = f"http://127.0.0.1:{elsewhere.port}/"
            err, _ = self.engine(lambda n: self.http("302 Found", [f"Location: {where}"], "moved"))
            self.assertRegex(err, r"status[_ ]302")
            self.assertEqual(elsewhere.times, [])

    def test_proxy_that_wants_a_password(self):
        err, _ = self.engine(lambda n: self.http("407 Proxy Authentication Required", [], "who are you"))
        self.assertRegex(err, r"status[_ ]407")
        self.assertIn("who are you", err)

    def test_429_is_obeyed_to_the_second(self):
        err, times = self.engine(lambda n: self.http("429 Too Many Requests", ["Retry-After: 3"], "slow down"), seconds="7s")
        self.assertRegex(err, r"status[_ ]429")
        self.assertGreaterEqual(len(times), 2)
        for a, b in zip(times, times[1:]):
            self.assertGreaterEqual(b - a, 2.95)

    def test_429_without_retry_after_keeps_away(self):
        _, times = self.engine(lambda n: self.http("429 Too Many Requests", [], ""), seconds="5s")
        self.assertEqual(len(times), 1)

    def test_server_that_drips_its_head_is_left_at_the_deadline(self):
        drip = [(0.2, bytes([c])) for c in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n" * 4]
        err, times = self.engine(lambda n: drip, seconds="8s")
        self.assertRegex(err, r"(?i)upgrade.*(time|deadline|within)")
        self.assertGreaterEqual(len(times), 2)
        self.assertLess(times[1] - times[0], 6)

    def test_server_that_says_nothing_is_left_at_the_deadline(self):
        err, times = self.engine(lambda n: None, seconds="8s")
        self.assertRegex(err, r"(?i)upgrade.*(time|deadline|within)")
        self.assertGreaterEqual(len(times), 2)

    def test_answers_that_are_no_http(self):
        for answer in (b"SSH-2.0-OpenSSH_9.2\r\n", b"\x16\x03\x01\x02\x00\x01" * 30, b"HTTP/1.1 101 X\r\n\r\n",
                       b"HTTP/1.1 101 X\r\n" + b"A: b\r\n" * 20000, b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       b"Sec-WebSocket-Accept: bm90IHRoZSByaWdodCBvbmU=\r\n\r\n"):
            with self.subTest(answer[:20]):
                err, _ = self.engine(lambda n: answer, seconds="1500ms")
                self.assertRegex(err, r"E_WIRE_HTTP|E_FEED_REFUSED|E_WIRE_WS|E_FEED")


class Rest(unittest.TestCase):
    """Snapshots come through the same faults; the feed goes on, and the books are in order in the end."""

    def live(self, fault, seconds="6s", *args):
        with Exchange("--faults", fault, *args) as exchange:
            out, err = run("run", DEMO, "--for", seconds, "--json", "--set", f"sinks.0.path={shm_name()}", "--set",
                           "http.listen=off", *(x for s in exchange.sets for x in ("--set", s)))
            got = json.loads(out)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertGreater(got["events"]["quote"], 100)
            return got, err, exchange.summary()

    def test_snapshots_that_are_refused_now_and_then_come_in_the_end(self):
        got, err, summary = self.live("http_429=0.5", "9s")
        self.assertGreaterEqual(summary["rest"], 3)
        self.assertGreater(got["inference"]["done"], 0)

    def test_slow_snapshots_still_bridge(self):
        for fault in ("slow_rest=700ms", "late_snapshot=700ms"):
            with self.subTest(fault):
                got, _, _ = self.live(fault)
                self.assertEqual(got["gaps"], 0)
                self.assertGreater(got["inference"]["done"], 0)

    def test_portal_in_place_of_a_snapshot_is_no_book(self):
        with Exchange("--venue", "binance-spot") as exchange, ChaosHttp(
                lambda n: Answers.http("200 OK", ["Content-Type: text/html"], "<html>Sign in</html>")) as portal:
            out, err = run("run", DEMO, "--for", "3s", "--json", "--set", f"feeds.0.url={exchange.url}", "--set",
                           f"feeds.0.rest=http://127.0.0.1:{portal.port}", "--set", f"sinks.0.path={shm_name()}", "--set",
                           "http.listen=off")
            got = json.loads(out)
            self.assertEqual(got["inference"]["done"], 0)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertGreater(got["events"]["quote"], 100)
            self.assertRegex(err + json.dumps(got["rejected"]), r"Sign in|syntax")


if __name__ == "__main__":
    main()
