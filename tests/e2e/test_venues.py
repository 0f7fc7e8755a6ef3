"""The venues with snapshots in band, from the outside: the simulator and the engine over sockets, faults
included; recordings through replay; metadata from venue, file and cache; and no secret in any output."""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, ROOT, SMALL, TICKFUSE, Exchange, main, replay, run, shm_name  # noqa: E402

CONFIGS = {venue: f"{venue}.yaml" for venue in (
    "bitfinex", "bitmex", "coinbase", "coinbase-exchange", "deribit", "kraken")}
NUMBERED = ("okx", "bitget", "bybit", "cryptocom")  # their books say which message they follow
CONFIGS.update({venue: f"{venue}.yaml" for venue in NUMBERED})
# Venues whose deltas say which ids they cover, and the one whose books are whole; each with what its config lacks.
ALL_CHANNELS = "feeds.0.channels=[trade, quote, book, ticker]"
IDS = {
    "gate": ("gate.yaml",),
    "gate-futures": ("gate.yaml", "feeds.0.venue=gate-futures"),
    "htx": ("htx.yaml",),
    "htx-swap": ("htx.yaml", "feeds.0.venue=htx-swap", "feeds.0.instruments=[BTC-USDT, ETH-USDT]"),
    "hyperliquid": ("hyperliquid.yaml",),
    "kucoin": ("kucoin.yaml",),
    "kucoin-futures": ("kucoin.yaml", "feeds.0.venue=kucoin-futures", "feeds.0.instruments=[XBTUSDTM, ETHUSDTM]"),
}
REPLAY = str(ROOT / "configs" / "replay.yaml")


def live(exchange, venue, *sets, seconds="3s", expect=0, cache=None):
    name, *own = IDS.get(venue) or (CONFIGS[venue],)
    config = ROOT / "configs" / name
    args = ["run", config, "--for", seconds, "--json"]
    feeds = range(1, config.read_text().count("venue: "))
    more = [item.replace("feeds.0", f"feeds.{i}") for i in feeds for item in exchange.sets]
    with tempfile.TemporaryDirectory() as empty:
        for item in (*exchange.sets, *more, f"sinks.0.path={shm_name()}", "http.listen=off",
                     f"engine.cache_dir={cache or empty}", "engine.idle=sleep", *own, *sets):
            args += ["--set", item]
        out, err = run(*args, expect=expect)
    return (json.loads(out) if expect == 0 else out), err


def each(case, rows, one):
    """one(row) for every row, several at a time: they wait more than they work."""
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        done = [(row, pool.submit(one, *([row] if isinstance(row, str) else row))) for row in rows]
    for row, result in done:
        with case.subTest(row):
            result.result()


class Depth(unittest.TestCase):
    SYMBOLS = "WAVES/EUR,XMR/USD,KSM/XBT,GRT/ETH,SC/EUR,ETH/CHF,OCEAN/XBT,OMG/USD,XBT/CHF,ADA/XBT"

    def test_a_recording_is_replayed_with_the_depth_that_the_config_subscribes_to(self):
        path = DATA / "kraken" / "kraken.jsonl.zst"
        if not path.exists():
            self.skipTest(f"{path} is absent")
        feeds = f"feeds=[{{name: k, venue: kraken, instruments: [{self.SYMBOLS}], book_depth: 1000}}]"
        got, _ = replay(f"kraken:{path}", sets=[feeds], config=REPLAY)
        self.assertEqual(got["rejected"], {})
        self.assertEqual(got["resyncs"], 0)
        self.assertEqual(got["ledger"]["residual"], 0)


class Live(unittest.TestCase):
    def test_every_message_of_the_simulator_is_understood(self):
        def one(venue):
            with Exchange("--venue", venue) as exchange:
                summary, _ = live(exchange, venue, seconds="5s" if venue in NUMBERED else "3s")
                self.assertEqual(summary["rejected"], {})
                self.assertEqual(summary["gaps"], 0)
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertEqual(summary["instruments"], 3 if venue in NUMBERED else 2)
                for kind in ("trade", "book"):
                    self.assertGreater(summary["events"][kind], 100)
                if venue in NUMBERED:
                    self.assertEqual(summary["duplicates"], 0)
                    self.assertGreater(summary["events"]["quote"], 100)
                    self.assertGreater(summary["events"]["ticker"], 0)
        each(self, CONFIGS, one)

    def test_wrong_checksum_resyncs_one_book_and_keeps_the_connection(self):
        def one(venue, faults, seconds):
            with Exchange("--venue", venue, "--faults", faults) as exchange:
                summary, _ = live(exchange, venue, seconds=seconds)
                sent = exchange.summary()
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertGreater(sent["checksum"], 0)
                self.assertGreater(summary["resyncs"], 0)
                self.assertGreater(summary["events"]["status"], 6)
                self.assertEqual(summary["gaps"], 0)
        each(self, (("kraken", "checksum=0.01", "3s"), ("bitfinex", "checksum=0.7", "5s")), one)

    def test_gap_of_a_connection_makes_another(self):
        def one(venue, faults):
            with Exchange("--venue", venue, "--faults", faults) as exchange:
                summary, _ = live(exchange, venue, seconds="4s")
                sent = exchange.summary()
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertGreater(sent["gap"], 0)
                self.assertGreater(summary["gaps"], 0)
        each(self, (("coinbase", "gap=0.05"), ("bitfinex", "gap=0.002")), one)

    def test_gap_of_a_book_resyncs_it_and_keeps_the_connection(self):
        def one(venue):
            with Exchange("--venue", venue, "--faults", "gap=0.1") as exchange:
                summary, _ = live(exchange, venue, seconds="4s")
                sent = exchange.summary()
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertGreater(sent["gap"], 0)
                self.assertGreater(summary["gaps"], 0)
                self.assertGreater(summary["resyncs"], 0)
                self.assertEqual(summary["rejected"], {})
                self.assertEqual(sent["clients"], 3)  # REST for two instruments, and one connection
        each(self, ("bitmex", "deribit"), one)

    def test_what_comes_twice_is_counted_and_nothing_of_it_published(self):
        def one(venue):
            with Exchange("--venue", venue, "--faults", "dup=0.05") as exchange:
                summary, _ = live(exchange, venue)
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertGreater(summary["duplicates"], 20)
                self.assertEqual((summary["gaps"], summary["resyncs"], summary["rejected"]), (0, 0, {}))
        each(self, ("bitfinex", "deribit"), one)

    def test_refused_and_forgotten_subscriptions_are_asked_for_again(self):
        def one(venue, fault):
            with Exchange("--venue", venue, "--faults", f"{fault}=1/2x3") as exchange:
                summary, _ = live(exchange, venue, seconds="5s")
                self.assertEqual(exchange.summary()[fault], 3)
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertEqual(summary["rejected"], {})
                for kind in ("trade", "quote", "book"):
                    self.assertGreater(summary["events"][kind], 50)
        each(self, (("bitfinex", "ack_error"), ("bitmex", "ack_error"), ("deribit", "ack_partial")), one)

    def test_a_venue_that_cuts_or_goes_is_connected_to_again(self):
        def one(venue, faults):
            with Exchange("--venue", venue, "--faults", faults) as exchange:
                summary, _ = live(exchange, venue, seconds="4s")
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertEqual(summary["rejected"], {})
                self.assertEqual(summary["gaps"], 0)
        each(self, (("bitfinex", "shutdown=1500ms"), ("bitmex", "reset=1500ms"), ("deribit", "shutdown=1500ms")), one)


class Numbered(unittest.TestCase):
    def faulty(self, faults, check, seconds="4s", venues=NUMBERED):
        def one(venue):
            with Exchange("--venue", venue, "--faults", faults) as exchange:
                summary, _ = live(exchange, venue, seconds=seconds)
                sent = exchange.summary()
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertEqual(summary["rejected"], {})
                self.assertGreater(sent[faults.partition("=")[0]], 0)
                check(summary, sent)
        each(self, venues, one)

    def test_gap_costs_one_book_its_snapshot_and_no_connection(self):
        def check(summary, sent):
            self.assertGreater(summary["gaps"], 0)
            self.assertLessEqual(summary["gaps"], sent["gap"])
            self.assertGreaterEqual(summary["resyncs"], summary["gaps"])
            self.assertEqual(summary["duplicates"], 0)
        self.faulty("gap=0.05", check)

    def test_repeats_are_dropped_and_no_gaps(self):
        def check(summary, _):
            self.assertGreater(summary["duplicates"], 0)
            self.assertEqual((summary["gaps"], summary["resyncs"]), (0, 0))
        self.faulty("dup=0.05", check)

    def test_sequence_that_starts_over_is_no_book_out_of_order(self):
        def check(summary, _):
            self.assertEqual(summary["duplicates"], 0)
            self.assertGreaterEqual(summary["resyncs"], summary["gaps"])
        self.faulty("jumpback=0.02", check)

    def test_acknowledgements_that_lie_cost_no_stream(self):
        for venue, fault in zip(NUMBERED, ("ack_error", "ack_missing", "ack_other", "ack_partial")):
            def check(summary, sent, fault=fault):
                self.assertEqual(sent[fault], 3)
                for kind in ("trade", "quote", "book"):
                    self.assertGreater(summary["events"][kind], 100)
            self.faulty(f"{fault}=1/2x3", check, seconds="5s", venues=(venue,))

    def test_cut_in_a_frame_is_another_connection(self):
        def check(summary, sent):
            self.assertGreater(summary["events"]["status"], 9)  # books began again
            self.assertGreater(sent["clients"], 2)
        self.faulty("close=2500ms", check, seconds="6s")


class Ids(unittest.TestCase):
    def test_every_channel_of_the_simulator_is_understood(self):
        def one(venue):
            with Exchange("--venue", venue) as exchange:
                summary, _ = live(exchange, venue, ALL_CHANNELS, seconds="4s")
                self.assertEqual((summary["rejected"], summary["gaps"], summary["duplicates"]), ({}, 0, 0))
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertEqual(summary["instruments"], 2)
                for kind in ("trade", "quote", "book"):
                    self.assertGreater(summary["events"][kind], 100)
                self.assertGreater(summary["events"]["ticker"], 10)
        each(self, IDS, one)

    def test_funding_rates_alone_come_from_an_address_of_their_own(self):
        sets = ("feeds.0.venue=htx-swap-funding", "feeds.0.instruments=[BTC-USDT, ETH-USDT]", "feeds.0.channels=[ticker]")
        with Exchange("--venue", "htx-swap-funding", "--faults", "ack_error=1x1") as exchange:
            summary, _ = live(exchange, "htx", *sets, seconds="4s")
            self.assertEqual(exchange.summary()["ack_error"], 1)
        self.assertEqual((summary["rejected"], summary["ledger"]["residual"], summary["instruments"]), ({}, 0, 2))
        self.assertGreater(summary["events"]["ticker"], 4)
        self.assertEqual(summary["events"]["trade"] + summary["events"]["book"], 0)

    def test_missing_deltas_are_gaps_and_repeated_ones_no_news(self):
        def one(venue):
            with Exchange("--venue", venue, "--faults", "gap=0.05,dup=0.05") as exchange:
                summary, _ = live(exchange, venue, seconds="5s")
                sent = exchange.summary()
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertEqual(summary["rejected"], {})
                self.assertGreater(sent["gap"], 0)
                if venue != "hyperliquid":  # its books are whole each time
                    self.assertGreater(summary["gaps"], 0)
                    self.assertGreater(summary["resyncs"], 0)
                self.assertGreater(summary["duplicates"], 0)
        each(self, IDS, one)

    def test_cut_refused_and_late_the_ledger_is_zero(self):
        faults = "close=1s,ack_error=1/2x3,ack_missing=1/3x3,late_snapshot=300ms,corrupt=0.002"
        def one(venue):
            with Exchange("--venue", venue, "--faults", faults) as exchange:
                summary, _ = live(exchange, venue, seconds="6s")
                self.assertEqual(summary["ledger"]["residual"], 0)
                self.assertGreater(summary["events"]["trade"], 50)
                sent = exchange.summary()
                self.assertGreater(sent["clients"], 1)
                self.assertGreater(min(sent["ack_error"], sent["ack_missing"]), 0)
        each(self, IDS, one)

    def test_name_that_the_venue_does_not_know_costs_the_others_nothing(self):
        with Exchange("--venue", "hyperliquid", "--symbols", "BTC,kPEPE") as exchange:
            summary, err = live(exchange, "hyperliquid", "feeds.0.instruments=[BTC, kPEPPE, kPEPE]")
        self.assertIn("the venue has no kPEPPE; the nearest is kPEPE", err)
        self.assertEqual(summary["ledger"]["residual"], 0)
        self.assertEqual(summary["rejected"], {})
        self.assertGreater(summary["events"]["trade"], 100)
        self.assertEqual(summary["disconnects"] if "disconnects" in summary else 0, 0)

    def test_spot_and_perpetuals_on_one_connection(self):
        with Exchange("--venue", "hyperliquid", "--symbols", "BTC,@107,PURR/USDC") as exchange:
            summary, err = live(exchange, "hyperliquid", "feeds.0.instruments=[BTC, '@107', PURR/USDC]")
        self.assertEqual((summary["ledger"]["residual"], summary["rejected"], summary["instruments"]), (0, {}, 3))
        self.assertNotIn("the venue has no", err)

    def test_connection_without_its_token_is_not_tried(self):
        def one(venue):
            with Exchange("--venue", venue) as exchange:
                _, err = live(exchange, venue, "feeds.0.rest=http://127.0.0.1:1", seconds="3s", expect=None)
                sent = exchange.summary()
            self.assertIn("127.0.0.1", err)
            self.assertEqual((sent["clients"], sent["rest"]), (0, 0))
        each(self, ("kucoin", "kucoin-futures"), one)


class Recorded(unittest.TestCase):
    EXPECTED = {  # counted by the decoders of tests/oracle
        "bitfinex": ("bitfinex/bitfinex.jsonl.zst", 1696, dict(trade=210, book=2926, ticker=21)),
        "bitmex": ("bitmex/bitmex.ws.raw.zst", 2120, dict(trade=27, quote=436, book=14333)),
        "okx": ("okx/okx.jsonl.zst", 435, dict(trade=74, book=8264, ticker=28)),
        "bitget": ("bitget/bitget.jsonl.zst", 1160, dict(trade=555, book=65309, ticker=345)),
        "bybit": ("bybit/bybit.jsonl.zst", 3229, dict(trade=347, book=20809, ticker=839)),
        "cryptocom": ("cryptocom/crypto_com.jsonl.zst", 3164, dict(trade=1143, book=391860, ticker=1484)),
        "gate": ("gate/gateio.jsonl.zst", 250, dict(trade=9, book=2887)),
        "htx": ("htx/huobi.jsonl.zst", 363, dict(trade=73, book=58996)),
        "hyperliquid": ("hyperliquid/btcusd_20250126.gz", 55, dict(trade=64, book=1840)),
        "kucoin": ("kucoin/kucoin.jsonl.zst", 4731, dict(trade=18, quote=830, book=10354)),
        "coinbase": ("coinbase/coinbase.jsonl.zst", 1031, dict(trade=279, book=74193, ticker=160)),
        "coinbase-exchange": ("coinbase-exchange/coinbase.ws.raw.zst", 9946, dict(trade=107, book=18081, ticker=107)),
        "deribit": ("deribit/deribit.jsonl.zst", 140, dict(book=149, ticker=89)),
        "kraken": ("kraken/kraken.jsonl.zst", 4431, dict(trade=10, book=11745, ticker=18)),
    }

    def test_recordings_replay_without_loss_and_twice_the_same(self):
        for venue, (path, messages, events) in self.EXPECTED.items():
            with self.subTest(venue):
                if not (DATA / path).exists():
                    self.skipTest(f"{DATA / path} is not here")
                runs = [replay(f"{venue}:{DATA / path}", config=REPLAY)[0] for _ in range(2)]
                self.assertEqual(runs[0]["messages"], messages)
                for kind, cnt in events.items():
                    self.assertEqual(runs[0]["events"][kind], cnt)
                self.assertEqual((runs[0]["rejected"], runs[0]["gaps"]), ({}, 0))
                self.assertEqual(runs[0]["ledger"]["residual"], 0)
                for key in ("events_hash", "decisions_hash"):
                    self.assertEqual(runs[0][key], runs[1][key])

    def test_made_recording_replays_with_its_refusals_counted(self):
        summary, _ = replay(f"coinbase-exchange:{SMALL / 'coinbase_exchange_made.txt'}", config=REPLAY)
        self.assertEqual(summary["ledger"]["residual"], 0)
        self.assertGreater(sum(summary["rejected"].values()), 10)


class Metadata(unittest.TestCase):
    def test_what_the_venue_told_is_there_when_it_does_not_answer(self):
        with tempfile.TemporaryDirectory() as cache, Exchange("--venue", "coinbase-exchange") as exchange:
            live(exchange, "coinbase-exchange", cache=cache)
            path = pathlib.Path(cache) / "instruments-coinbase-exchange.csv"
            text = path.read_text()
            self.assertIn("BTC-USD,0.01,0.00000001,1,USD", text)
            path.write_text(text.replace("BTC-USD,0.01", "BTC-USD,0.05"))
            _, err = live(exchange, "coinbase-exchange", "feeds.0.rest=http://127.0.0.1:1", seconds="12s", cache=cache)
            self.assertIn("metadata_from_cache", err)
            self.assertIn("BTC-USD,0.05", path.read_text())  # it is not written over

    def test_mistake_in_the_file_is_named(self):
        with tempfile.TemporaryDirectory() as folder, Exchange("--venue", "kraken") as exchange:
            path = pathlib.Path(folder) / "instruments.csv"
            path.write_text("symbol,tick_size,lot_size\nBTC/USD,zero,1\n")
            _, err = live(exchange, "kraken", f"feeds.0.instruments_file={path}", expect=None)
        self.assertIn(f"{path}:2:9: tick_size: found \"zero\"", err)


class Secrets(unittest.TestCase):
    ID, SECRET, PASSPHRASE = "kq7id8zz41", "c2VjcmV0LXNlY3JldC1zZWNyZXQ=", "px93phrase"

    def key(self, folder, mode=0o600):
        path = pathlib.Path(folder) / "key"
        path.write_text(f"id: {self.ID}\nsecret: {self.SECRET}\npassphrase: {self.PASSPHRASE}\n")
        os.chmod(path, mode)
        return path

    def silent(self, *texts):
        for text in texts:
            for secret in (self.ID, self.SECRET, self.PASSPHRASE, "secret-secret"):
                self.assertNotIn(secret, text)

    def test_no_output_has_any_of_it(self):
        with tempfile.TemporaryDirectory() as folder, Exchange("--venue", "coinbase-exchange") as exchange:
            config = str(ROOT / "configs" / "coinbase-exchange.yaml")
            sets = ["--set", f"feeds.0.key_file={self.key(folder)}", "--set", "engine.log_level=debug"]
            for args in (["check", config, *sets], ["check", config, "--json", *sets], ["schema"]):
                done = subprocess.run([TICKFUSE, *args], capture_output=True, text=True, cwd=ROOT)
                self.silent(done.stdout, done.stderr)
            summary, err = live(exchange, "coinbase-exchange", sets[1], sets[3])
            self.silent(json.dumps(summary), err)
            self.assertGreater(summary["messages"], 0)

    def test_key_that_others_may_read_is_refused_with_the_remedy(self):
        with tempfile.TemporaryDirectory() as folder, Exchange("--venue", "coinbase-exchange") as exchange:
            path = self.key(folder, 0o644)
            out, err = live(exchange, "coinbase-exchange", f"feeds.0.key_file={path}", expect=None)
            self.assertIn(f"chmod 600 {path}", err)
            self.silent(out if isinstance(out, str) else json.dumps(out), err)


if __name__ == "__main__":
    main()
