"""Recordings played by the simulator, from their own times on, into an engine over a socket: what one does to measure
latency against a recording. Every frame is a message, nothing is refused, no sequence breaks, and it takes as long as it took."""
import gzip
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from exchange_faults import CHANNELS, CONFIG, UNDER_WAY
from harness import DATA, Exchange, LiveEngine, main, run, side_by_side

# The file, how many times faster, and what the feed's line in the config says besides.
RECORDINGS = {
    "binance-coinm": ("binance-coinm/btcusd_perp_20240808.gz", 30, ""),
    "binance-spot": ("binance-spot/btcusdt_20240808.gz", 30, ""),
    "binance-usdm": ("binance-usdm/btcusdt_20240808.gz", 30, ""),
    "bitfinex": ("bitfinex/bitfinex.jsonl.zst", 10, ""),
    "bitget": ("bitget/bitget.jsonl.zst", 10, ""),
    "bitmex": ("bitmex/bitmex.ws.raw.zst", 30, ""),
    "bybit": ("bybit/bybit.jsonl.zst", 30, ""),
    "coinbase": ("coinbase/coinbase.jsonl.zst", 10, ""),
    "coinbase-exchange": ("coinbase-exchange/coinbase.ws.raw.zst", 30, ""),
    "cryptocom": ("cryptocom/crypto_com.jsonl.zst", 10, ""),
    "deribit": ("deribit/deribit.jsonl.zst", 10, ""),
    "gate": ("gate/gateio.jsonl.zst", 2, ""),
    "htx": ("htx/huobi.jsonl.zst", 10, ""),
    "hyperliquid": ("hyperliquid/btcusd_20250126.gz", 10, ""),
    "kraken": ("kraken/kraken.jsonl.zst", 10, ", book_depth: 1000"),
    "kucoin": ("kucoin/kucoin.jsonl.zst", 10, ""),
    "okx": ("okx/okx.jsonl.zst", 30, ""),
}


def span_s(path):
    """Seconds from the first received frame to the last, in each of the three formats."""
    raw = gzip.open(path, "rb").read() if path.suffix == ".gz" else subprocess.run(["zstdcat", path], capture_output=True).stdout
    text = raw.decode(errors="replace")
    lines = [int(t) / 1e9 for t in re.findall(r"^(\d{19}) ", text, re.M)]
    jsonl = [float(t) for t in re.findall(r'^\{"t":"recv","conn":"[^"]*","ts":([0-9.]+)', text, re.M)]
    times = lines or jsonl or [float(t) for t in re.findall(r"^(\d{10}\.\d+): ", text, re.M)]
    return max(times) - min(times)


class Recorded(unittest.TestCase):
    def play(self, venue, path, speed, feed):
        with tempfile.TemporaryDirectory() as tmp, Exchange("--venue", venue, "--input", path, "--speed", speed) as sim:
            names = next(w for w in sim.words if w.startswith("instruments=")).partition("=")[2].split(",")
            if venue == "bybit":  # a feed is of one product, and this recording of two
                names = [name for name in names if name.endswith("-LINEAR")]
            config, journal = pathlib.Path(tmp) / "config.yaml", pathlib.Path(tmp) / "d.journal"
            config.write_text(CONFIG.format(venue=venue, url=sim.url, rest=sim.rest, channels=CHANNELS, feed=feed,
                                            instruments=", ".join(f'"{name}"' for name in names), journal=journal))
            with LiveEngine(sim, config=config) as engine:
                _, err = sim.process.communicate(timeout=120)  # it ends with the recording
                time.sleep(0.3)
                got, _ = engine.finish()
            rows = [json.loads(line) for line in run("tail", journal, "--json")[0].splitlines()]
        did = {key: int(value) for key, value in re.findall(r" (\w+)=(\d+)", err[err.index("sim messages="):])}
        return got, did, rows

    def one(self, venue):
        path, speed, feed = RECORDINGS[venue]
        if not (DATA / path).exists():
            return
        got, did, rows = self.play(venue, DATA / path, speed, feed)
        self.assertEqual((got["ledger"]["residual"], got["rejected"], got["gaps"], got["duplicates"]), (0, {}, 0, 0))
        self.assertGreater(got["events"]["book"], 100)
        self.assertLessEqual(abs(did["frames"] - (got["messages"] - did["rest"])), UNDER_WAY)
        self.assertGreater(sum(row["book_state"] == "OK" for row in rows), 20)
        self.assertEqual(got["latency_ns"]["tick_to_decision"]["count"], len(rows))
        times = [row["ts_recv_ns"] for row in rows if row["action"] == "BUY"]
        took, want = (times[-1] - times[0]) / 1e9, span_s(DATA / path) / speed
        self.assertTrue(want / 2 - 2 < took < want + 10, (took, want))  # subscriptions come first; a machine may be busy

    def test_each_recording_arrives_whole_and_paced_from_its_own_times(self):
        if not DATA.exists():
            self.skipTest(f"{DATA} is absent")
        side_by_side(self, [(venue,) for venue in RECORDINGS], self.one)

    def test_a_recording_of_another_venue_is_an_error_that_says_so(self):
        made = pathlib.Path(__file__).parents[1] / "data" / "okx_made.txt"
        _, err = run("sim", "--venue", "deribit", "--input", made, "--for", "1s", expect=3)
        self.assertIn("no message of deribit with an instrument's name", err)


if __name__ == "__main__":
    main()
