"""The ways to a venue: a feed over several connections, endpoints by rank, a proxy, a source address, IPv6, and what
stands in when the venue is down."""
import json
import os
import pathlib
import socket
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from connect_proxy import ConnectProxy
from harness import DEMO, SANITIZED, SMALL, Exchange, LiveEngine, engine_args, live, main, replay, run, shm_name, wait_until
from tunnel import pump

WARM = "9s" if SANITIZED else "6s"  # its features have their bars, and the model decides


class Shards(unittest.TestCase):
    """A feed's streams over as many connections as its bound wants."""

    def test_feed_over_three_connections_is_the_same_feed(self):
        with Exchange() as exchange, tempfile.TemporaryDirectory() as out:
            sets = ["feeds.0.instruments=[BTCUSDT,ETHUSDT,SOLUSDT]", "feeds.0.streams_per_connection=5"]
            got, err = live(exchange, *sets, f"capture.path={out}", seconds="5s")
            self.assertEqual((got["instruments"], got["ledger"]["residual"], got["gaps"]), (3, 0, 0))
            self.assertGreater(got["decisions"], 100)
            summary = exchange.summary()
            self.assertEqual(summary["clients"] - summary["rest"], 3)
            again, _ = replay(out, config=DEMO)
            for key in ("events_hash", "decisions_hash", "messages", "events", "decisions"):
                self.assertEqual(got[key], again[key], key)
            header = next(pathlib.Path(out).glob("*.tfc")).read_bytes()[:4096]
            for name in (b"main/0\0", b"main/1\0", b"main/2\0"):
                self.assertIn(name, header)

    def test_each_connection_has_its_metrics_and_its_health(self):
        with Exchange() as exchange, LiveEngine(exchange, "feeds.0.instruments=[BTCUSDT,ETHUSDT]",
                                                "feeds.0.streams_per_connection=3") as engine:
            wait_until(lambda: engine.count("tickfuse_feed_state", "live") == 2, what="both connections live")
            metrics = engine.metrics()
            for name in ("main/0", "main/1"):
                self.assertGreater(metrics["tickfuse_feed_messages_total", name], 0)
            exchange.stop()
            wait_until(lambda: engine.count("tickfuse_feed_state", "live") == 0, what="both connections down")
            got, err = engine.finish()
            self.assertEqual(got["ledger"]["residual"], 0)

    def test_check_prints_the_plan(self):
        out, _ = run("check", DEMO, "--set", "feeds.0.instruments=[A,B,C,D,E,F,G]", "--set",
                     "feeds.0.streams_per_connection=9")
        lines = [line for line in out.splitlines() if line.startswith("connection ")]
        self.assertEqual([line.split(":")[0] for line in lines],
                         ["connection main/0", "connection main/1", "connection main/2"])
        self.assertIn("3 instruments, A .. C: 9 streams", lines[0])
        self.assertIn("2 instruments, F .. G: 6 streams", lines[2])
        plan = json.loads(run("check", DEMO, "--json")[0])["connections"]
        self.assertEqual([row["name"] for row in plan], ["main"])

    def test_bound_that_holds_no_instrument_is_refused_at_its_place(self):
        _, err = run("check", DEMO, "--set", "feeds.0.streams_per_connection=2", expect=2)
        self.assertIn("feeds[0].streams_per_connection: 2 streams a connection of binance-spot: one symbol has 3", err)

    def test_path_of_the_configs_own_is_asked_for(self):
        with Exchange() as exchange:
            got, _ = live(exchange, "feeds.0.path=/stream?timeUnit=MICROSECOND", seconds="2s")
            self.assertGreater(got["events"]["trade"], 10)
            self.assertEqual(got["ledger"]["residual"], 0)


class Proxied(unittest.TestCase):
    def through(self, proxy, exchange, *sets, seconds=WARM, **kwargs):
        got, err = live(exchange, f"feeds.0.proxy=http://127.0.0.1:{proxy.port}", *sets, seconds=seconds, **kwargs)
        self.assertEqual(got["ledger"]["residual"], 0)
        return got, err

    def test_feed_through_a_proxy_plain_and_tls(self):
        for args in ((), ("--tls",)):
            with self.subTest(args), Exchange(*args) as exchange, ConnectProxy() as proxy:
                got, _ = self.through(proxy, exchange)
                self.assertGreater(got["decisions"], 50)
                self.assertGreaterEqual(len(proxy.requests), 3)  # the stream, and the snapshots
                port = exchange.url.rsplit(":", 1)[1]
                for lines in proxy.requests:
                    self.assertRegex(lines[0], rf"^CONNECT \S+:{port} HTTP/1.1$")
                    self.assertNotIn("Upgrade", "".join(lines))

    def test_credentials_come_from_a_file_of_ones_own(self):
        with Exchange() as exchange, ConnectProxy(user="me:open-sesame") as proxy, \
                tempfile.NamedTemporaryFile("w", suffix=".key") as key:
            key.write("id: me\nsecret: open-sesame\n")
            key.flush()
            os.chmod(key.name, 0o600)
            got, err = self.through(proxy, exchange, f"feeds.0.proxy_key_file={key.name}")
            self.assertGreater(got["decisions"], 50)
            self.assertNotIn("sesame", err)
            os.chmod(key.name, 0o644)
            _, err = run(*engine_args(exchange, f"feeds.0.proxy=http://127.0.0.1:{proxy.port}",
                                      f"feeds.0.proxy_key_file={key.name}"), expect=None)
            self.assertIn("E_FEED_KEY", err)

    def refused(self, answer, pattern, seconds="2500ms"):
        with Exchange() as exchange, ConnectProxy(answer) as proxy:
            got, err = self.through(proxy, exchange, seconds=seconds)
            self.assertEqual(got["messages"], 0)
            self.assertRegex(err, pattern)
            self.assertIn("phase=proxy", err)

    def test_proxy_that_wants_credentials_is_named(self):
        self.refused(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 3\r\n\r\nwho",
                     r"http_status_407 .*proxy_key_file.*who")

    def test_proxy_that_cannot_reach_the_venue(self):
        self.refused(b"HTTP/1.1 502 Bad Gateway\r\n\r\nno way there", r"http_status_502 Bad Gateway .*no way there")

    def test_proxies_that_are_none(self):
        for answer in (b"SSH-2.0-OpenSSH_9.2\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 9000,
                       b"HTTP/1.1 200 OK\r\n\r\nand more that nobody asked for"):
            with self.subTest(answer[:12]):
                self.refused(answer, r"E_WIRE_HTTP|E_FEED_CLOSED|E_FEED_CONNECT", seconds="1500ms")

    def test_proxy_that_never_answers_is_left_at_its_deadline(self):
        self.refused(b"", r"phase proxy took too long", seconds="5s")


class Addresses(unittest.TestCase):
    def test_ipv6_loopback(self):
        with Exchange() as exchange:
            port = int(exchange.url.rsplit(":", 1)[1])
            heads = []
            relay = socket.create_server(("::1", 0), family=socket.AF_INET6)

            def serve(client):
                data = client.recv(4096)
                heads.append(data)
                venue = socket.create_connection(("127.0.0.1", port))
                venue.sendall(data)
                threading.Thread(target=pump, args=(venue, client), daemon=True).start()
                pump(client, venue)

            def accept():
                while True:
                    try:
                        client, _ = relay.accept()
                    except OSError:
                        return
                    threading.Thread(target=serve, args=(client,), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            v6 = relay.getsockname()[1]
            exchange.sets = [f'feeds.0.url="ws://[::1]:{v6}"', f'feeds.0.rest="http://[::1]:{v6}"']
            got, _ = live(exchange, seconds="5s")
            relay.close()
            self.assertGreater(got["decisions"], 50)
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertIn(f"Host: [::1]:{v6}\r\n".encode(), heads[0])

    def test_source_address_is_what_the_venue_sees(self):
        seen = []
        with Exchange() as exchange, socket.create_server(("127.0.0.1", 0)) as listener:
            port = int(exchange.url.rsplit(":", 1)[1])

            def accept():
                while True:
                    try:
                        client, peer = listener.accept()
                    except OSError:
                        return
                    seen.append(peer[0])
                    venue = socket.create_connection(("127.0.0.1", port))
                    threading.Thread(target=pump, args=(venue, client), daemon=True).start()
                    threading.Thread(target=pump, args=(client, venue), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            here = listener.getsockname()[1]
            exchange.sets = [f"feeds.0.url=ws://127.0.0.1:{here}", f"feeds.0.rest=http://127.0.0.1:{here}"]
            got, _ = live(exchange, "feeds.0.source_address=127.0.0.2", seconds="5s")
            self.assertEqual(got["ledger"]["residual"], 0)
            self.assertGreater(got["decisions"], 50)
            self.assertEqual(set(seen), {"127.0.0.2"})

    def failing(self, pattern, *sets):
        with Exchange() as exchange:
            got, err = live(exchange, *sets, seconds="1500ms")
            self.assertEqual((got["messages"], got["ledger"]["residual"]), (0, 0))
            self.assertRegex(err, pattern)

    def test_source_address_that_is_not_ours_is_named(self):
        self.failing(r"source_address Cannot assign requested address", "feeds.0.source_address=192.0.2.1")

    def test_source_address_of_the_other_family_is_named(self):
        self.failing(r"no address of source_address's family, IPv6", 'feeds.0.source_address="::1"')

    def test_interface_that_is_not_there_is_named(self):
        self.failing(r"interface (No such device|Operation not permitted)", "feeds.0.interface=nosuch0")

    def test_loopback_interface(self):
        with Exchange() as exchange:
            got, err = live(exchange, "feeds.0.interface=lo", seconds=WARM)
            if "interface Operation not permitted" in err:
                self.skipTest("SO_BINDTODEVICE is not permitted here")
            self.assertGreater(got["decisions"], 50)


CONFIG = """
engine: {{profile: basic}}
feeds:
  - {{name: main, venue: binance-spot, channels: [trade, quote, book], instruments: [BTCUSDT, ETHUSDT], {feed}}}
features: [mid, spread_bps]
strategies: [{{name: t, buy: "mid > 0", books: all, max_rate: 50/s}}]
sinks: [{{type: shm, path: {stream}}}]
http: {{listen: "off"}}
"""


def write_config(directory, feed):
    path = pathlib.Path(directory) / "routes.yaml"
    path.write_text(CONFIG.format(feed=feed, stream=shm_name()))
    return path


class Endpoints(unittest.TestCase):
    DEAD = "ws://127.0.0.1:1"

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name

    def config(self, rest, *urls):
        listed = ", ".join(f'"{url}"' for url in urls)
        return write_config(self.directory, f'endpoints: [{listed}], rest: "{rest}"')

    def test_table_lists_the_dead_one_last(self):
        with Exchange() as exchange:
            config = self.config(exchange.rest, self.DEAD, exchange.url)
            feed, = json.loads(run("endpoints", config, "--json")[0])
            first, last = feed["endpoints"]
            self.assertEqual((feed["feed"], first["url"], first["rank"], first["error"]),
                             ("main", exchange.url, 1, None))
            self.assertGreaterEqual(first["pongs"], 1)
            self.assertGreater(first["ping_ns"], 0)
            self.assertEqual((last["url"], last["error"]), (self.DEAD, "E_FEED_CONNECT"))
            text, _ = run("endpoints", config)
            self.assertRegex(text, rf"(?s)feed main.*1 {exchange.url}.*2 {self.DEAD} .*refused")

    def test_a_venues_name_is_enough_and_the_nearer_comes_first(self):
        with Exchange("--venue", "okx") as exchange, socket.create_server(("127.0.0.1", 0)) as far:
            near = int(exchange.url.rsplit(":", 1)[1])

            def accept():
                while True:
                    try:
                        client, _ = far.accept()
                    except OSError:
                        return
                    venue = socket.create_connection(("127.0.0.1", near))
                    for way in ((client, venue), (venue, client)):
                        threading.Thread(target=pump, args=(*way, 0.02), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            urls = [f"ws://127.0.0.1:{far.getsockname()[1]}", exchange.url]
            endpoints = f"feeds.0.endpoints=[{','.join(urls)}]"
            feed, = json.loads(run("endpoints", "okx", "--set", endpoints, "--json")[0])
            self.assertEqual([e["url"] for e in feed["endpoints"]], [urls[1], urls[0]])
            first, second = feed["endpoints"]
            self.assertGreater(second["ping_ns"], first["ping_ns"] + 30e6)
            self.assertEqual((first["pongs"], second["pongs"]), (5, 5))
        _, err = run("endpoints", "okxx", expect=2)
        self.assertIn("okxx", err)

    def test_every_venues_documented_endpoints_are_known(self):
        known = {"binance-spot": 3, "okx": 2, "bybit": 2, "htx": 2, "htx-swap": 2, "bitmex": 2}
        venues = {v["venue"] for v in json.loads(run("venues", "--json")[0])}
        for venue in venues - {"events"}:  # to which nobody connects
            proxy = ["--set", "feeds.0.proxy=http://127.0.0.1:1"]  # nothing is asked of the world
            feed, = json.loads(run("endpoints", venue, *proxy, "--json", expect=1)[0])
            self.assertEqual(len(feed["endpoints"]), known.get(venue, 1), venue)
            self.assertEqual({e["error"] for e in feed["endpoints"]}, {"E_FEED_CONNECT"}, venue)

    def test_endpoint_under_tls_is_measured_with_its_handshake(self):
        with Exchange("--tls") as exchange:
            config = write_config(self.directory, f'url: "{exchange.url}", ca_file: {exchange.ca[0]}')
            feed, = json.loads(run("endpoints", config, "--json")[0])
            one, = feed["endpoints"]
            self.assertEqual(one["error"], None)
            self.assertGreater(one["tls_ns"], 0)
            self.assertEqual(one["pongs"], 5)

    def test_feed_without_any_endpoint_is_a_failure(self):
        out, _ = run("endpoints", DEMO, "--set", f"feeds.0.url={self.DEAD}", expect=1)
        self.assertIn("E_FEED_CONNECT", out)

    def test_dead_one_is_not_tried_and_the_next_takes_over_when_the_first_dies(self):
        with Exchange("--seed", "1") as one, Exchange("--seed", "2") as two:
            exchanges = {one.url: one, two.url: two}
            with LiveEngine(None, config=self.config(one.rest, self.DEAD, one.url, two.url)) as engine:
                self.assertTrue(wait_until(engine.is_live, what="live"))
                self.assertEqual(engine.count("tickfuse_feed_connects_total"), 1)
                # which of the two was the quicker: the one that has a client
                used = next(e for e in exchanges.values() if self.has_client(e))
                used.process.kill()
                wait_until(lambda: engine.count("tickfuse_feed_connects_total") == 2, what="the other")
                before = engine.count("tickfuse_feed_messages_total")
                wait_until(lambda: engine.count("tickfuse_feed_messages_total") > before + 100, what="messages")
                got, err = engine.finish()
                self.assertEqual(got["ledger"]["residual"], 0)
                self.assertIn("endpoints_ranked feed=main", err)
                self.assertNotIn("dial_failed host=127.0.0.1 port=1 ", err.split("endpoints_ranked")[1])

    @staticmethod
    def has_client(exchange):
        port = int(exchange.url.rsplit(":", 1)[1])
        rows = pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]
        return any(int(r.split()[1].split(":")[1], 16) == port and r.split()[3] == "01" for r in rows)


class Fallback(unittest.TestCase):
    """One exchange dies, what stands in takes over; every decision says by which route its market came, and the
    capture of it all replays to the same."""
    SOON = "fallback_after: 3s, fallback_back: 2s"
    SAME = ["events_hash", "decisions_hash", "messages", "events", "gaps", "instruments", "ticks", "decisions", "actions"]

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = pathlib.Path(directory.name)

    def engine(self, primary, fallback, more=""):
        config = write_config(self.directory, f'url: "{primary.url}", rest: "{primary.rest}", {self.SOON}, {more} '
                                              f"fallback: [{fallback}]")
        text = config.read_text().replace("sinks: [", f"capture: {{path: {self.directory / 'capture'}}}\n"
                                          f"control: {{path: {self.directory / 'control/socket'}}}\n"
                                          f"sinks: [{{type: journal, path: {self.directory / 'live.journal'}}}, ")
        config.write_text(text)
        return LiveEngine(None, config=config)

    def routes(self, journal):
        """How many decisions came by each route, and the order in which routes took turns."""
        out, _ = run("tail", self.directory / journal, "--json")
        seen = [json.loads(line)["route"] for line in out.splitlines()]
        turns = [seen[0]] if seen else []
        for route in seen:
            if route != turns[-1]:
                turns.append(route)
        return turns

    def check_replay(self, got):
        again, _ = replay(self.directory / "capture", config=self.directory / "routes.yaml",
                          args=["--decisions", self.directory / "replay.journal"], sets=["sinks=[{type: 'null'}]"])
        for key in self.SAME:
            self.assertEqual(got[key], again[key], key)
        self.assertEqual(again["ledger"]["residual"], 0)
        self.assertEqual(self.routes("replay.journal"), self.routes("live.journal"))

    def finish(self, engine, turns):
        got, err = engine.finish()
        self.assertEqual(got["ledger"]["residual"], 0)
        self.assertEqual(self.routes("live.journal"), turns)
        self.assertIn("route_switched connection=main", err)
        self.check_replay(got)
        return err

    def served_by(self, engine, name):
        metrics = engine.metrics()
        return metrics.get(("tickfuse_feed_standby", name)) == 0

    def test_another_host_of_the_venue_and_back(self):
        with Exchange("--seed", "1") as one, Exchange("--seed", "2") as two:
            port = one.url.rsplit(":", 1)[1]
            with self.engine(one, f'{{url: "{two.url}", rest: "{two.rest}"}}') as engine:
                wait_until(lambda: self.served_by(engine, "main") and engine.is_live(), what="live")
                time.sleep(1)
                one.process.kill()
                wait_until(lambda: self.served_by(engine, "main~1"), what="the other to serve")
                wait_until(lambda: engine.count("tickfuse_feed_state", "live") >= 1, what="live again")
                time.sleep(2)
                with Exchange("--seed", "3", "--port", port):
                    wait_until(lambda: self.served_by(engine, "main"), 60, what="the first to serve again")
                    time.sleep(2)
                    self.finish(engine, ["primary", "endpoint", "primary"])

    def test_another_venue_under_our_instruments(self):
        with Exchange("--seed", "1") as one, Exchange("--venue", "coinbase", "--seed", "2") as two:
            fallback = (f'{{venue: coinbase, instruments: [BTCUSDT=BTC-USD, ETHUSDT=ETH-USD], url: "{two.url}", '
                        f'rest: "{two.rest}"}}')
            with self.engine(one, fallback) as engine:
                wait_until(lambda: self.served_by(engine, "main") and engine.is_live(), what="live")
                time.sleep(1)
                one.process.kill()
                wait_until(lambda: self.served_by(engine, "main~1"), what="the venue to serve")
                time.sleep(3)
                self.finish(engine, ["primary", "venue"])
            out, _ = run("tail", self.directory / "live.journal", "--json")
            names = {json.loads(line)["instrument"] for line in out.splitlines()}
            self.assertLessEqual(names, {"BTCUSDT.BINANCE-SPOT", "ETHUSDT.BINANCE-SPOT"})

    def record(self):
        """Three seconds of another day; a capture's directory and a tape of it, and how many events are on that."""
        tape, out = self.directory / "old.tape", self.directory / "old"
        with Exchange("--seed", "7") as recorded:
            run("record", DEMO, "--for", "3s", "--out", out, "--tape", tape,
                *(x for item in recorded.sets for x in ("--set", item)))
        return tape, out, json.loads(run("tape", "info", tape, "--json")[0])["events"]

    def play(self, fallback, turns, then=lambda engine: time.sleep(2)):
        """The venue dies and the recording takes its place; returns what the engine logged."""
        with Exchange("--seed", "1") as one, self.engine(one, fallback) as engine:
            wait_until(lambda: self.served_by(engine, "main") and engine.is_live(), what="live")
            time.sleep(1)
            one.process.kill()
            wait_until(lambda: self.served_by(engine, "main~1"), what="the recording to play")
            then(engine)
            return self.finish(engine, turns)

    def test_a_tape_is_played_and_never_looks_live(self):
        tape, _, _ = self.record()
        self.play(f"{{tape: {tape}}}", ["primary", "tape"])

    def test_a_capture_is_decoded_anew_and_played(self):
        _, out, _ = self.record()
        self.play(f"{{capture: {out}}}", ["primary", "tape"])

    def test_recordings_that_loop_go_on_for_ever(self):
        tape, out, event_cnt = self.record()
        for kind, path in (("tape", tape), ("capture", out)):
            with self.subTest(kind):
                (self.directory / "live.journal").unlink(missing_ok=True)
                (self.directory / "replay.journal").unlink(missing_ok=True)
                for old in (self.directory / "capture").glob("*"):
                    old.unlink()
                begin = time.monotonic()
                err = self.play(f"{{{kind}: {path}, speed: 8x, at_end: loop}}", ["primary", "tape"],
                                lambda e: wait_until(lambda: e.count("tickfuse_feed_messages_total", "main~1") > 3 * event_cnt,
                                                     60, "the third time round"))
                self.assertLess(time.monotonic() - begin, 60)
                self.assertNotIn("recording_over", err)

    def test_a_recording_of_an_instant_loops_once_a_second(self):
        tape = self.directory / "made.tape"
        run("tape", "convert", f"binance-spot:{SMALL / 'binance_spot_made.txt'}", "--out", tape)
        event_cnt = json.loads(run("tape", "info", tape, "--json")[0])["events"]
        heard = []

        def listen(engine):
            for _ in range(2):
                heard.append((time.monotonic(), engine.count("tickfuse_feed_messages_total", "main~1")))
                time.sleep(4)

        self.play(f"{{tape: {tape}, speed: 1000x, at_end: loop}}", ["primary", "tape"], listen)
        (begin, before), (end, after) = heard
        rounds = (after - before) / event_cnt
        self.assertTrue(2 < rounds <= end - begin + 1.5, f"{rounds} in {end - begin} s")

    def test_behind_the_end_of_a_tape_stands_the_next(self):
        tape, _, _ = self.record()
        with Exchange("--seed", "2") as two:
            err = self.play(f'{{tape: {tape}, speed: 16x}}, {{url: "{two.url}", rest: "{two.rest}"}}',
                            ["primary", "tape", "endpoint"],
                            lambda e: [wait_until(lambda: self.served_by(e, "main~2"), what="the next"), time.sleep(2)])
            self.assertIn('recording_over path=', err)

    def test_recordings_that_cannot_stand_in_are_refused_at_the_start(self):
        tape, out, _ = self.record()
        for fallback, pattern in ((f"{{tape: {out}}}", "E_FILE_OPEN.*no regular file"),
                                  (f"{{capture: {tape}}}", "E_BOOT_INPUT|E_FILE_FORMAT"),
                                  ("{capture: /nowhere}", "E_FILE_OPEN|E_BOOT_INPUT|E_FILE_FORMAT"),
                                  (f"{{tape: {tape}}}", "E_BOOT_INPUT.*wanted is ADAUSDT.BINANCE-SPOT.*it has BTCUSDT")):
            with self.subTest(fallback):
                config = write_config(self.directory, f"fallback: [{fallback}]")
                sets = ["--set", "feeds.0.instruments=[ADAUSDT]"] if "ADA" in pattern else []
                _, err = run("run", config, "--for", "1s", *sets, expect=None)
                self.assertRegex(err.replace("\n", " "), pattern)

    def test_symbols_that_come_later_have_stand_ins(self):
        tape, _, _ = self.record()
        with Exchange("--seed", "1") as one, Exchange("--seed", "2") as two, \
                Exchange("--venue", "coinbase", "--seed", "3") as three:
            routes = (f'{{url: "{two.url}", rest: "{two.rest}"}}, '
                      f'{{venue: coinbase, instruments: [BTCUSDT=BTC-USD, SOLUSDT=SOL-USD], url: "{three.url}", '
                      f'rest: "{three.rest}"}}')
            with self.engine(one, routes, "instruments_max: 4,") as engine:
                wait_until(lambda: self.served_by(engine, "main") and engine.is_live(), what="live")
                run("control", self.directory / "control/socket", "subscribe", "main", "SOLUSDT")
                one.process.kill()
                wait_until(lambda: self.served_by(engine, "main~1"), what="the other host")
                time.sleep(3)
                two.process.kill()
                wait_until(lambda: self.served_by(engine, "main~2"), what="the other venue")
                time.sleep(3)
                self.finish(engine, ["primary", "endpoint", "venue"])
            out, _ = run("tail", self.directory / "live.journal", "--json")
            rows = [json.loads(line) for line in out.splitlines()]
            for route in ("endpoint", "venue"):
                self.assertGreater(sum(row["instrument"] == "SOLUSDT.BINANCE-SPOT" and row["route"] == route
                                       for row in rows), 5, route)

    def test_status_health_and_tail_say_what_serves(self):
        with Exchange("--seed", "1") as one, Exchange("--seed", "2") as two:
            with self.engine(one, f'{{url: "{two.url}", rest: "{two.rest}"}}') as engine:
                wait_until(lambda: self.served_by(engine, "main") and engine.is_live(), what="live")
                url = f"http://127.0.0.1:{engine.port}/healthz"
                wait_until(lambda: self.healthy(url), what="healthy: the resting one is no trouble")
                one.process.kill()
                wait_until(lambda: self.served_by(engine, "main~1") and engine.is_live(), what="the other")
                health = wait_until(lambda: self.healthy(url), what="healthy by the other")
                standby = {f["name"]: f.get("standby", False) for f in health["feeds"]}
                self.assertEqual((standby["main"], standby["main~1"]), (True, False))
                engine.finish()
            text, _ = run("tail", self.directory / "live.journal")
            self.assertIn("by way of the fallback: endpoint", text)

    @staticmethod
    def healthy(url):
        try:
            return json.loads(urllib.request.urlopen(url, timeout=5).read())
        except urllib.error.HTTPError:
            return None

    def test_check_prints_what_stands_in(self):
        config = write_config(self.directory, "fallback: [{venue: coinbase, instruments: [BTCUSDT=BTC-USD]}]")
        out, _ = run("check", config)
        self.assertIn("connection main~1: coinbase, trade quote book of 1 instruments, BTC-USD .. BTC-USD: 3 streams; "
                      "stands in for main", out)


class Refusing:
    """A venue that refuses whoever comes: 401."""
    ANSWER = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 6\r\n\r\nno key"

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port, self.connections = self.listener.getsockname()[1], 0
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            client.recv(4096)
            client.sendall(self.ANSWER)
            client.close()


class Refused(unittest.TestCase):
    """One feed of several is refused for good."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = pathlib.Path(directory.name) / "two.yaml"

    def write(self, exchange, refusing, more=""):
        self.path.write_text(
            "engine: {profile: basic}\nfeeds:\n"
            f'  - {{name: bad, venue: binance-spot, instruments: [SOLUSDT], url: "ws://127.0.0.1:{refusing.port}", '
            f'rest: "{exchange.rest}"{more}}}\n'
            f'  - {{name: good, venue: binance-spot, instruments: [BTCUSDT], url: "{exchange.url}", rest: "{exchange.rest}"}}\n'
            'features: [mid]\nstrategies: [{name: t, buy: "mid > 0", books: all}]\n'
            f'sinks: [{{type: shm, path: {shm_name()}}}]\nhttp: {{listen: "off"}}\n')
        return self.path

    def end(self, engine):
        out, err, code = engine.stop()
        got = json.loads(out)
        self.assertEqual((code, got["ledger"]["residual"]), (1, 0))
        self.assertIn("E_FEED_REFUSED", err)
        return got, err

    def test_the_others_go_on_and_it_is_named(self):
        with Exchange() as exchange, Refusing() as refusing:
            with LiveEngine(None, config=self.write(exchange, refusing)) as engine:
                wait_until(lambda: engine.count("tickfuse_feed_broken", "bad") == 1, what="the refusal")
                wait_until(engine.is_live, what="the other feed live")
                before = engine.count("tickfuse_feed_messages_total", "good")
                wait_until(lambda: engine.count("tickfuse_feed_messages_total", "good") > before + 100, what="its messages")
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(f"http://127.0.0.1:{engine.port}/healthz", timeout=5)
                reason = json.loads(refused.exception.read())["reason"]
                self.assertEqual(reason, "feed bad is DOWN: the venue refused it for good")
                _, err = self.end(engine)
                self.assertRegex(err, "feed bad: last trouble: .*401")
                self.assertEqual(refusing.connections, 1)  # nobody hammers

    def test_one_that_is_required_ends_the_run(self):
        with Exchange() as exchange, Refusing() as refusing:
            out, err = run("run", self.write(exchange, refusing, ", required: true"), "--for", "60s", "--json", timeout=30, expect=1)
            self.assertEqual(json.loads(out)["ledger"]["residual"], 0)
            self.assertIn("E_FEED_REFUSED", err)

    def test_what_stands_in_for_it_serves(self):
        with Exchange() as exchange, Refusing() as refusing:
            more = f', fallback_after: 1s, fallback: [{{url: "{exchange.url}", rest: "{exchange.rest}"}}]'
            with LiveEngine(None, config=self.write(exchange, refusing, more)) as engine:
                wait_until(lambda: engine.metrics().get(("tickfuse_feed_standby", "bad~1")) == 0, what="the stand-in")
                wait_until(lambda: engine.count("tickfuse_feed_state", "live") == 2, what="both live")
                wait_until(lambda: Fallback.healthy(f"http://127.0.0.1:{engine.port}/healthz"), what="healthy by it")
                self.end(engine)

    def test_where_all_are_refused_the_run_ends(self):
        with Exchange() as exchange, Refusing() as refusing:
            path = self.write(exchange, refusing)
            _, err = run("run", path, "--set", f"feeds.1.url=ws://127.0.0.1:{refusing.port}", "--for", "60s", timeout=30, expect=1)
            self.assertRegex(err, "(?s)feed bad: last trouble.*feed good: last trouble")


class Ends(unittest.TestCase):
    """Why connections ended: one word of a closed list, in the metrics, in `status`, and in the capture."""

    def test_a_reset_is_counted_shown_and_captured(self):
        with Exchange("--faults", "reset=2s") as exchange, tempfile.TemporaryDirectory() as out:
            sets = [f"capture.path={out}/capture", f"control.path={out}/control/socket"]
            with LiveEngine(exchange, *sets) as engine:
                wait_until(lambda: engine.count("tickfuse_leg_ends_total", "reset") >= 2, 60, "two resets")
                exchange.process.kill()
                wait_until(lambda: engine.count("tickfuse_feed_dials_failed_total", "connect") >= 1, 60, "a dial refused")
                status = json.loads(run("control", f"{out}/control/socket", "status", "--json")[0])
                feed = next(f for f in status["feeds"] if f["name"] == "main")
                self.assertGreaterEqual(feed["ends"]["reset"], 2)
                self.assertGreaterEqual(feed["dials_failed"]["connect"], 1)
                text, _ = run("control", f"{out}/control/socket", "status")
                self.assertRegex(text, r"(?s)feed +main .*\nends .*reset [2-9].*\nno dial +connect \d.*\nclock +trade +offset")
                got, _ = engine.finish()
            self.assertGreaterEqual(got["connection_ends"]["reset"], 2)
            again, _ = replay(f"{out}/capture", config=DEMO)
            self.assertEqual(again["connection_ends"], got["connection_ends"])
            self.assertEqual(again["events_hash"], got["events_hash"])


class Deflate(unittest.TestCase):
    def test_compression_is_used_only_where_the_feed_says_so(self):
        for asked in (False, True):
            with self.subTest(asked), Exchange("--deflate") as exchange:
                got, _ = live(exchange, *(["feeds.0.deflate=true"] if asked else []), seconds=WARM)
                self.assertGreater(got["decisions"], 50)
                self.assertEqual(got["ledger"]["residual"], 0)
                self.assertEqual(exchange.summary()["deflated"] > 0, asked)


if __name__ == "__main__":
    main()
