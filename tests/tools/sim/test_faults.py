"""Each fault of the simulator, seen by an independent client, and the seed that fixes its course."""
import pathlib
import re
import socket
import sys
import time
import unittest
import urllib.error
import urllib.request

import websockets

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from sim_client import Broken, CoinbaseBook, Exchange, KrakenBook, get, parse, run, talk

SPOT = {"method": "SUBSCRIBE", "params": ["btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@100ms"], "id": 1}
RATE = ("--rate", "2000", "--symbols", "BTCUSDT")
KRAKEN = {"method": "subscribe", "params": {"channel": "book", "symbol": ["BTC/USD"], "depth": 10}}
LEVEL2 = {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": "level2"}
DEPTH = "/api/v3/depth?symbol=BTCUSDT&limit=5"


def depths(texts):
    return [m for m in map(parse, texts) if m.get("e") == "depthUpdate"]


class Messages(unittest.TestCase):
    def spot(self, faults, seconds=1.5, rate=2000, **kwargs):
        with Exchange("--rate", rate, "--symbols", "BTCUSDT", "--faults", faults) as exchange:
            got, end = talk(exchange, "/ws", SPOT, seconds=seconds, **kwargs)
            return got, end, exchange.summary()

    def test_gap_breaks_the_chain_as_often_as_it_says(self):
        got, _, summary = self.spot("gap=0.4", seconds=3)
        rows = depths(got)
        breaks = sum(int(b["U"]) != int(a["u"]) + 1 for a, b in zip(rows, rows[1:]))
        self.assertGreater(breaks, 2)
        self.assertLessEqual(breaks, summary["gap"])

    def test_gap_of_a_connection_wide_sequence_shows_in_it(self):
        with Exchange("--venue", "coinbase", "--faults", "gap=0.3") as exchange:
            got, _ = talk(exchange, "/", LEVEL2)
        numbers = [int(parse(t)["sequence_num"]) for t in got]
        self.assertNotEqual(numbers, list(range(len(numbers))))
        self.assertEqual(numbers, sorted(set(numbers)))

    def test_gap_on_kraken_breaks_the_checksum(self):
        with Exchange("--venue", "kraken", "--faults", "gap=0.3") as exchange:
            self.assertBroken(exchange)

    def test_checksum_is_wrong(self):
        with Exchange("--venue", "kraken", "--faults", "checksum=0.3") as exchange:
            self.assertBroken(exchange)

    def assertBroken(self, exchange):
        book = KrakenBook(10)
        got, _ = talk(exchange, "/v2", KRAKEN)
        with self.assertRaises(Broken):
            for m in map(parse, got):
                for data in m["data"] if m.get("channel") == "book" else ():
                    book.apply(m["type"], data)

    def test_corrupt_dup_and_reorder(self):
        got, _, summary = self.spot("corrupt=0.05", on_message=lambda text: None)
        self.assertGreater(summary["corrupt"], 0)
        got, _, summary = self.spot("dup=0.1")
        self.assertGreater(sum(a == b for a, b in zip(got, got[1:])), 3)
        got, _, summary = self.spot("reorder=0.1")
        ids = [int(m["u"]) for m in map(parse, got) if "u" in m and "e" not in m]
        self.assertNotEqual(ids, sorted(ids))
        self.assertGreater(summary["reorder"], 3)

    def test_jumpback_starts_the_ids_again_far_lower(self):
        got, _, summary = self.spot("jumpback=0.2", seconds=2.5)
        rows = depths(got)
        jumps = [int(a["u"]) - int(b["u"]) for a, b in zip(rows, rows[1:]) if int(b["u"]) < int(a["u"])]
        self.assertTrue(jumps and all(9 * 10**8 < j <= 10**9 for j in jumps), jumps)
        self.assertGreater(summary["jumpback"], 0)

    def test_storm_sends_many_times_the_messages(self):
        calm, _, _ = self.spot("gap=0.000001", seconds=2, rate=40)
        wild, _, summary = self.spot("storm=1", seconds=2, rate=40)
        self.assertGreater(summary["storm"], 0)
        self.assertGreater(len(wild), 3 * len(calm))

    def test_the_same_seed_refuses_the_same_subscriptions_and_another_seed_others(self):
        def course(seed):
            with Exchange("--venue", "kraken", "--seed", seed, "--faults", "ack_error=0.5", "--rate", "1") as exchange:
                once = lambda on: {"method": "subscribe" if on else "unsubscribe",  # noqa: E731
                                   "params": {"channel": "trade", "symbol": ["BTC/USD"]}}
                got, _ = talk(exchange, "/v2", *(once(i % 2 == 0) for i in range(24)), seconds=0.7)
                return [parse(t).get("success") for t in got if '"success"' in t]

        first = course(5)
        self.assertEqual(first, course(5))
        self.assertNotEqual(first, course(6))


class Connections(unittest.TestCase):
    def ends(self, faults, *args, **kwargs):
        with Exchange(*RATE, *args, *(("--faults", faults) if faults else ())) as exchange:
            start = time.monotonic()
            got, end = talk(exchange, "/ws", SPOT, seconds=4, **kwargs)
            return got, end, time.monotonic() - start

    def test_close_cuts_in_the_middle_of_a_frame(self):
        got, end, after = self.ends("close=500ms")
        self.assertIsInstance(end, websockets.ConnectionClosedError)
        self.assertIsNone(end.rcvd)  # no close frame came
        self.assertLess(after, 3)

    def test_reset_is_a_reset(self):
        _, end, _ = self.ends("reset=500ms")
        self.assertIsInstance(end, websockets.ConnectionClosedError)
        self.assertIsInstance(end.__cause__, ConnectionResetError)

    def test_mute_keeps_the_connection_and_says_nothing(self):
        got, end, after = self.ends("mute=700ms")
        self.assertGreater(len(got), 10)
        self.assertNotIsInstance(end, websockets.ConnectionClosed)
        self.assertGreater(after, 3.5)

    def test_shutdown_announces_itself_and_then_closes_in_order(self):
        got, end, _ = self.ends("shutdown=500ms")
        self.assertTrue(any('"serverShutdown"' in t for t in got[10:]))
        self.assertEqual(end.rcvd.code, 1001)

    def test_life_ends_each_connection_in_order(self):
        got, end, after = self.ends("", "--life", "800ms")
        self.assertEqual(end.rcvd.code, 1001)
        self.assertTrue(0.5 < after < 3.5, after)

    def test_acknowledgement_missing_or_an_error(self):
        got, _, _ = self.ends("ack_missing=1", messages_max=20)
        self.assertFalse(any('"result"' in t for t in got))
        self.assertGreater(len(got), 10)
        got, _, _ = self.ends("ack_error=1")
        self.assertEqual([parse(t)["code"] for t in got], ["2"])

    def test_late_snapshot_in_band_comes_before_any_update(self):
        with Exchange("--venue", "coinbase", "--faults", "late_snapshot=700ms") as exchange:
            start, seen, book = time.monotonic(), [], CoinbaseBook()

            def on_message(text):
                m = parse(text)
                if m["channel"] == "l2_data":
                    seen.append(time.monotonic() - start)
                    for event in m["events"]:
                        book.apply(event)

            talk(exchange, "/", LEVEL2, seconds=3, on_message=on_message)
            self.assertGreater(seen[0], 0.6)
            self.assertEqual(book.snapshots, 1)
            self.assertGreater(book.applied, 3)


class Acknowledgements(unittest.TestCase):
    """On Kraken, which sends one a symbol."""

    def rows(self, faults, cnt=3, seconds=1.5):
        names = ["BTC/USD", "ETH/USD", "SOL/USD"][:cnt]
        ask = {"method": "subscribe", "params": {"channel": "trade", "symbol": names}}
        with Exchange("--venue", "kraken", "--rate", "2000", "--faults", faults) as exchange:
            got, _ = talk(exchange, "/v2", ask, seconds=seconds)
            return [parse(t) for t in got], exchange.summary()

    @staticmethod
    def acked(rows):
        return [r["result"]["symbol"] for r in rows if r.get("success")]

    @staticmethod
    def heard(rows):
        return {d["symbol"] for r in rows if r.get("channel") == "trade" for d in r["data"]}

    def test_acknowledged_streams_may_stay_silent(self):
        rows, summary = self.rows("ack_silent=1")
        self.assertEqual((len(self.acked(rows)), self.heard(rows), summary["ack_silent"]), (3, set(), 3))

    def test_an_acknowledgement_names_another_instrument(self):
        rows, _ = self.rows("ack_other=1")
        self.assertEqual(self.acked(rows), ["ETH/USD", "SOL/USD", "BTC/USD"])
        self.assertEqual(len(self.heard(rows)), 3)

    def test_overlooked_subscriptions_have_neither_acknowledgement_nor_data(self):
        rows, _ = self.rows("ack_partial=0.5")
        acked = set(self.acked(rows))
        self.assertEqual(self.heard(rows), acked)
        self.assertTrue(0 < len(acked) < 3 or self.rows("ack_partial=1")[1]["ack_partial"] == 3)

    def test_late_acknowledgement_comes_behind_its_data(self):
        rows, _ = self.rows("ack_late=500ms")
        first = next(i for i, r in enumerate(rows) if r.get("success"))
        self.assertTrue(any(r.get("channel") == "trade" for r in rows[:first]))
        self.assertEqual(len(self.acked(rows)), 3)


class Line(unittest.TestCase):
    """Faults of the line that leave every message whole."""

    def rows(self, faults, *args, seconds=2.5, streams=("trade", "depth"), cnt=3):
        names = ["BTCUSDT", "ETHUSDT", "SOLUSDT"][:cnt]
        ask = {"method": "SUBSCRIBE", "params": [f"{n.lower()}@{s}" for n in names for s in streams], "id": 1}
        stamps = []
        with Exchange("--rate", "1000", "--symbols", ",".join(names), "--faults", faults, *args) as exchange:
            got, end = talk(exchange, "/ws", ask, seconds=seconds, on_message=lambda t: stamps.append(time.monotonic()))
            return [parse(t) for t in got], stamps, end, exchange.summary()

    def assertChained(self, rows, names=("BTCUSDT", "ETHUSDT", "SOLUSDT")):
        for name in names:
            mine = [r for r in rows if r.get("e") == "depthUpdate" and r["s"] == name]
            self.assertGreater(len(mine), 3)
            for a, b in zip(mine, mine[1:]):
                self.assertEqual(int(b["U"]), int(a["u"]) + 1)

    def test_split_messages_are_the_same_messages(self):
        for pieces in ("1", "7", "997"):
            rows, _, _, summary = self.rows(f"split={pieces}", seconds=1.5)
            self.assertChained(rows)
            self.assertGreater(summary["split"], 10)

    def test_a_stalled_connection_gets_everything_in_the_end(self):
        rows, stamps, _, summary = self.rows("stall=700ms")
        self.assertGreater(max(b - a for a, b in zip(stamps, stamps[1:])), 0.5)
        self.assertChained(rows)
        self.assertGreater(summary["stall"], 10)

    def test_one_stream_falls_silent_and_the_others_go_on(self):
        rows, _, _, summary = self.rows("mute_stream=500ms")
        kinds = lambda part: {(r["e"], r["s"]) for r in part if "e" in r}  # noqa: E731
        self.assertEqual(len(kinds(rows[:len(rows) // 4])), 6)
        self.assertEqual(len(kinds(rows[len(rows) // 2:])), 5)
        self.assertGreater(summary["mute_stream"], 3)

    def test_data_fall_silent_and_heartbeats_go_on(self):
        with Exchange("--venue", "kraken", "--faults", "mute_data=500ms") as exchange:
            got, _ = talk(exchange, "/v2", KRAKEN, seconds=4)
        rows = [parse(t) for t in got]
        self.assertGreaterEqual(sum(r.get("channel") == "heartbeat" for r in rows[-3:]), 2)


class Market(unittest.TestCase):
    """What befalls a whole exchange."""
    rows = Line.rows

    def test_the_clock_jumps_and_time_goes_on_from_there(self):
        rows, _, _, summary = self.rows("clock_jump=0.7", seconds=5)
        times = [int(r["E"]) for r in rows if "E" in r]
        self.assertGreater(max(abs(b - a) for a, b in zip(times, times[1:])), 10000)
        self.assertGreater(summary["clock_jump"], 0)

    def test_a_halted_instrument_is_silent_for_two_seconds_and_goes_on_where_it_was(self):
        rows, stamps, _, summary = self.rows("halt=0.4", seconds=8)
        Line.assertChained(self, rows)
        self.assertGreater(summary["halt"], 0)
        pauses = []
        for name in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
            mine = [at for r, at in zip(rows, stamps) if r.get("s") == name]
            pauses += [b - a for a, b in zip(mine, mine[1:])]
        self.assertGreater(max(pauses), 1.8)

    def test_the_last_instrument_is_listed_and_delisted(self):
        rows, stamps, _, _ = self.rows("delist=1s")
        self.assertGreater(stamps[-1] - max(at for r, at in zip(rows, stamps) if r.get("s") == "SOLUSDT"), 0.5)
        with Exchange("--venue", "kraken", "--faults", "list=2s") as exchange:
            ask = {"method": "subscribe", "params": {"channel": "trade", "symbol": ["SOL/USD"]}}
            got, _ = talk(exchange, "/v2", ask, seconds=0.5)
            self.assertTrue(any("Currency pair not supported SOL/USD" in t for t in got))
            time.sleep(1.5)
            got, _ = talk(exchange, "/v2", ask, seconds=1)
            self.assertTrue(any(parse(t).get("success") for t in got))

    def test_prices_of_the_last_instrument_gain_a_digit(self):
        rows, _, _, summary = self.rows("tick_size=1s")
        digits = lambda name: [len(r["p"].split(".")[1]) for r in rows if r.get("e") == "trade" and r["s"] == name]  # noqa: E731
        self.assertEqual(set(digits("BTCUSDT")), {8})
        self.assertEqual(sorted(set(digits("SOLUSDT"))), [8, 9])
        self.assertEqual(digits("SOLUSDT"), sorted(digits("SOLUSDT")))


class Mutations(unittest.TestCase):
    """Messages that are not what was agreed, wherever the venue's schema has a place for it."""

    def test_each_mutation_shows(self):
        def shows(fault, test):
            with Exchange(*RATE, "--faults", f"{fault}=0.3") as exchange:
                got, _ = talk(exchange, "/ws", SPOT, seconds=1.2)
                summary = exchange.summary()
            self.assertGreater(summary[fault], 5, fault)
            self.assertTrue(any(test(t) for t in got), fault)

        keys = lambda t: set(parse(t))  # noqa: E731
        trade = {"e", "E", "s", "t", "p", "q", "T", "m", "M"}
        shows("field_new", lambda t: "zz_new" in keys(t))
        shows("field_missing", lambda t: len(keys(t)) == 8 and keys(t) < trade)
        shows("field_renamed", lambda t: any(k.endswith("_zz") for k in keys(t)))
        shows("field_null", lambda t: ":null" in t)
        shows("field_type", lambda t: '"s":7' in t or re.search(r'"E":"1', t))
        shows("type_unknown", lambda t: '"e":"zz_unheard_of"' in t)
        shows("number", lambda t: '"NaN"' in t)
        shows("time", lambda t: re.search(r'"[ET]":0[,}]', t))
        shows("symbol", lambda t: "BTCUSD\u03a9" in t)

    def test_the_same_seed_has_the_same_course(self):
        def first(seed):
            with Exchange(*RATE, "--seed", seed, "--faults", "ack_error=0.3,ack_other=0.3,ack_silent=0.3") as exchange:
                got, _ = talk(exchange, "/ws", *[{"method": "SUBSCRIBE", "params": [], "id": i} for i in range(5)], seconds=0.5)
                return got

        self.assertEqual(first(3), first(3))


class Schedules(unittest.TestCase):
    """1/N: each N-th occasion; xM: M times in all."""

    def talk(self, faults):
        with Exchange(*RATE, "--faults", faults) as exchange:
            got, _ = talk(exchange, "/ws", SPOT, seconds=2.5)
            exchange.faults_over(1)
            return got, exchange.summary()

    def test_each_fifth_twice(self):
        got, summary = self.talk("gap=1/5x2")
        rows = depths(got)
        self.assertGreater(len(rows), 15)
        self.assertEqual([i for i in range(1, len(rows)) if int(rows[i]["U"]) != int(rows[i - 1]["u"]) + 1], [4, 8])
        self.assertEqual(summary["gap"], 2)

    def test_what_a_message_has_no_place_for_the_next_one_gets(self):
        got, summary = self.talk("type_unknown=1/1x3")
        kinds = [parse(t).get("e") for t in got[1:]]
        self.assertEqual((kinds.count("zz_unheard_of"), summary["type_unknown"]), (3, 3))
        self.assertEqual([k for k in kinds if k][:3], ["zz_unheard_of"] * 3)

    def test_a_chance_may_have_an_end(self):
        got, summary = self.talk("dup=0.2x4,field_new=1/10x2")
        self.assertEqual((summary["dup"], summary["field_new"]), (4, 2))
        self.assertEqual(sum(a == b for a, b in zip(got, got[1:])), 4)

    def test_without_an_end_they_are_never_over(self):
        with Exchange(*RATE, "--faults", "gap=1/2,dup=0.5x1") as exchange:
            with self.assertRaisesRegex(AssertionError, "not over"):  # nobody is connected: dup has no occasion
                exchange.faults_over(0.3)


class Rest(unittest.TestCase):
    def test_late_snapshot_is_old_when_it_comes(self):
        with Exchange(*RATE, "--faults", "late_snapshot=800ms") as exchange:
            start = time.monotonic()
            first = get(exchange, DEPTH)
            self.assertGreater(time.monotonic() - start, 0.7)
            self.assertLess(first["lastUpdateId"] + 20, get(exchange, DEPTH)["lastUpdateId"])

    def test_slow_and_dripping_answers_are_whole_in_the_end(self):
        for fault, least in (("slow_rest=600ms", 0.5), ("drip=2ms", 0.3)):
            with self.subTest(fault), Exchange(*RATE, "--faults", fault) as exchange:
                start = time.monotonic()
                self.assertEqual(len(get(exchange, DEPTH)["bids"]), 5)
                self.assertGreater(time.monotonic() - start, least)

    def status(self, fault, target=DEPTH):
        with Exchange(*RATE, "--faults", fault) as exchange:
            host, port = re.fullmatch(r"http://([0-9.]+):(\d+)", exchange.rest).groups()
            with socket.create_connection((host, int(port)), timeout=5) as s:
                s.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                text = b""
                while chunk := s.recv(65536):
                    text += chunk
            return text.decode()

    def test_418_says_when_the_ban_ends(self):
        with Exchange("--faults", "http_418=1") as exchange:
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(exchange.rest + DEPTH, timeout=5)
            self.assertEqual((refused.exception.code, refused.exception.headers["Retry-After"]), (418, "2"))

    def test_429_says_when_to_come_back(self):
        self.assertRegex(self.status("http_429=1"), r"^HTTP/1.1 429 (.|\r|\n)*Retry-After: 1\r\n")

    def test_portal_and_redirect(self):
        self.assertRegex(self.status("portal=1"), r"^HTTP/1.1 200 (.|\r|\n)*text/html(.|\r|\n)*<html>")
        self.assertRegex(self.status("redirect=1"), r"^HTTP/1.1 302 (.|\r|\n)*Location: http://portal")


class Usage(unittest.TestCase):
    def test_errors_name_the_item_and_the_remedy(self):
        for faults, text in (("gab=1", 'did you mean "gap"'), ("gap", "has no value"), ("gap=1.5", "0 to 1"),
                             ("gap=1/0", "N and M from 1"), ("gap=1/65537", "to 65536"), ("gap=1/5x0", "1/200x3"), ("gap=1x65537", "1/200x3"),
                             ("gap=1/-5", "1/200"), ("gap=1/5x2y", "1/200"), ("close=1/5", "with its unit"),
                            
                             ("close=10", "with its unit"), ("close=0s", "above 0"), ("split=0", "from 1 to 65536"), ("split=65537", "from 1 to 65536"), ("checksum=1", "sends none"),
                             ("x" * 100 + "=1", "is no fault")):
            with self.subTest(faults):
                _, err = run("sim", "--faults", faults, expect=2)
                self.assertIn(text, err)

    def test_schedules_at_their_limits(self):
        for faults in ("gap=1/1", "gap=1/65536x65536", "gap=0x1", "dup=1x1"):
            run("sim", "--faults", faults, "--for", "10ms")

    def test_limits_of_levels(self):
        for levels, code in (("0", 2), ("1", 0), ("10000", 0), ("10001", 2)):
            run("sim", "--levels", levels, "--for", "10ms", expect=code)

    def test_symbols_that_cannot_be(self):
        for symbols in ("", "A,,B", "BTC USD", "A" * 32, ",".join(f"S{i}" for i in range(1201))):
            run("sim", "--symbols", symbols, "--for", "10ms", expect=2)
        run("sim", "--symbols", ",".join(["A" * 31] + [f"S{i}" for i in range(1199)]), "--for", "10ms")

    def test_help_and_the_manual_name_every_venue_that_the_engine_has_a_feed_for(self):
        root = pathlib.Path(__file__).resolve().parents[3]
        feeds = sorted(re.findall(r"^([a-z-]+) \(wss?:", run("venues")[0], re.M))
        self.assertGreaterEqual(len(feeds), 20)
        self.assertEqual(re.search(r"^Venues:(.*)$", run("sim", "--help")[0], re.M)[1].split(), feeds)
        manual = (root / "docs/man/tickfuse-sim.1").read_text()
        listed = re.search(r"\nWhose protocol:\n(.*?)all that the engine", manual, re.S)[1]
        self.assertEqual(sorted(re.findall(r"^\.Li (\S+)", listed, re.M)), feeds)

    def test_faults_help_and_the_manual_list_every_fault_of_the_table(self):
        root = pathlib.Path(__file__).resolve().parents[3]
        rows = re.findall(r'^F\(\w+, "(\w+)", (\w+), "(.+)"\)$', (root / "tools/sim/faults.def").read_text(), re.M)
        self.assertGreater(len(rows), 35)
        self.assertEqual([r[0] for r in rows], sorted(r[0] for r in rows))
        listed, _ = run("sim", "--faults", "help")
        manual = (root / "docs/man/tickfuse-sim.1").read_text()
        letters = {"CHANCE": "P", "TIME": "T", "COUNT": "N"}
        for name, kind, text in rows:
            self.assertIn(f"{name}={letters[kind]} {text}", listed)
            self.assertIn(f".It Li {name}= Ns Ar {letters[kind]}", manual)


if __name__ == "__main__":
    unittest.main(verbosity=2)
