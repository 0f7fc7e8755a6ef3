"""Whatever `check` accepts starts: configs made at random out of what the tables allow, small sizes and large ones,
are checked, and those that pass are run for a moment against nobody. `check` is where a config is refused."""
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import SANITIZED, TICKFUSE, main, run, shm_name, side_by_side

CASES = int(os.environ.get("TF_START_CASES", "8" if SANITIZED else "24"))
SEED = int(os.environ.get("TF_SEED", "1"))

VENUES = ["binance-spot", "binance-usdm", "coinbase", "kraken", "okx", "bybit", "bitfinex", "bitmex", "deribit", "gate",
          "kucoin", "bitget", "htx", "hyperliquid", "cryptocom"]
RATES = ["1/s", "50/s", "8191/s", "65536/100ms", "99999/s", "100000/s", "100001/s", "250000/1h"]
FEATURES = ["mid", "spread_bps", "microprice", '"imbalance(5)"', '"ofi(1s)"', '"ema(mid, 20)"', '"zscore(mid, 500)"',
            '"zscore(mid, 4000)"', '"rsi(s1.close, 14)"']
LANES = ["[{stages: all}]", "[{stages: [acquire]}, {stages: [buffer, compute, decide, emit]}]",
         "[{stages: [acquire, buffer, compute, decide]}, {stages: [emit]}]",
         "[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"]


def feed(r, i):
    venue = r.choice(VENUES)
    cnt = r.choice([1, 1, 2, 7, 40])
    keys = [f"name: f{i}", f"venue: {venue}", f"instruments: [{', '.join(f'S{k}USDT' for k in range(cnt))}]",
            'proxy: "http://127.0.0.1:1"']  # nothing is asked of the world
    maybe = lambda key, *values: keys.append(f"{key}: {r.choice(values)}") if r.random() < 0.3 else None
    maybe("channels", "[trade]", "[book]", "[trade, quote, book]", "all")
    maybe("instruments_max", cnt, cnt + 1, 60)
    maybe("legs", 1, 2, 4)
    maybe("book_depth", 1, 10, 100, 1000)
    maybe("message_bytes_max", "4096B", "64KiB", "16MiB")
    maybe("deflate", "true")
    maybe("streams_per_connection", 4, 17, 400)
    maybe("stale_after", "10ms", "1h")
    maybe("fallback", '[{url: "ws://127.0.0.1:1"}]', '[{url: "ws://127.0.0.1:1"}, {url: "ws://127.0.0.1:2"}, {url: "ws://127.0.0.1:3"}]',
          "[{venue: kraken, instruments: [S0USDT=BTC/USD]}]")
    maybe("endpoints", '["ws://127.0.0.1:1", "ws://127.0.0.1:2"]')
    return "{" + ", ".join(keys) + "}"


def config(seed, out):
    r = random.Random(seed)
    sizes = [f"{key}: {r.choice(values)}" for key, *values in (
        ("event_ring_slots", 64, 65536, 1048576), ("decision_ring_slots", 64, 4096, 262144), ("message_levels_max", 16, 65536, 262144),
        ("book_levels_max", 1, 16, 255, 256, 257, 4096), ("instruments_max", 40, 64, 240), ("latency_sample", 1, 7),
        ("profile", "basic", "standard"), ("idle", "yield", "sleep"), ("io", "auto", "epoll"), ("kernel_timestamps", "true", "false"))
        if r.random() < 0.5]
    strategies = [f'{{name: s{i}, buy: "mid > {i}", max_rate: {r.choice(RATES)}{r.choice(["", ", cooldown: 1ms"])}}}'
                  for i in range(r.choice([1, 1, 2, 5, 16]))]
    sinks = [f"{{type: shm, path: {shm_name()}, slots: {r.choice([64, 1024, 65536])}}}", "{type: 'null'}",
             f"{{type: journal, path: {out}/{seed}.journal}}"]
    return "\n".join([
        f"engine: {{lanes: {r.choice(LANES)}{''.join(', ' + s for s in sizes)}}}",
        f"feeds: [{', '.join(feed(r, i) for i in range(r.choice([1, 1, 2, 4])))}]",
        "bars: {s1: 1s, t9: 9 ticks}",
        f"features: [{', '.join(['mid', *r.sample(FEATURES[1:], r.choice([0, 3, 8]))])}]",
        f"strategies: [{', '.join(strategies)}]",
        f"sinks: [{', '.join(r.sample(sinks, r.choice([1, 2, 3])))}]",
        'http: {listen: "off"}',
        f"capture: {{ring: {r.choice(['32MiB', '64MiB'])}}}\n"])


class Start(unittest.TestCase):
    def test_whatever_check_accepts_starts(self):
        accepted = []
        with tempfile.TemporaryDirectory() as out:
            def one(seed):
                path = pathlib.Path(out) / f"{seed}.yaml"
                path.write_text(config(seed, out))
                if subprocess.run([TICKFUSE, "check", path], capture_output=True, timeout=60).returncode == 2:
                    return
                accepted.append(seed)
                capture = ["--capture", f"{out}/{seed}"] if seed % 3 == 0 else []
                run("run", path, "--for", "100ms", "--json", *capture)
            side_by_side(self, [(SEED * 1000 + i,) for i in range(CASES)], one)
        print(f"{len(accepted)} of {CASES} configs passed the check")
        self.assertGreater(len(accepted), CASES // 3)

    def test_a_rate_takes_the_memory_that_it_needs(self):
        with tempfile.TemporaryDirectory() as out:
            path = pathlib.Path(out) / "rate.yaml"
            for rate in ("1/s", "65535/s", "65536/s", "100000/s", "1000000/1h"):
                with self.subTest(rate):
                    path.write_text('feeds: [{name: f, venue: kraken, instruments: [A/B], instruments_max: 2, proxy: "http://127.0.0.1:1"}]\n'
                                    f'features: [mid]\nstrategies: [{{name: s, buy: "mid > 0", max_rate: {rate}}}]\n'
                                    'sinks: [{type: "null"}]\nhttp: {listen: "off"}\n')
                    run("run", path, "--for", "50ms", "--json")
            _, err = run("check", path, "--set", "strategies.0.max_rate=1000001/h", expect=2)
            self.assertIn("1 .. 1000000 per window", err)

    def test_a_config_is_checked_where_its_models_are_not(self):
        """Any of them, in any order: noted at its place; a name that nobody has is still an error."""
        here, gone = "{name: a, file: models/example-mlp.safetensors}", "{name: b, file: gone.safetensors}"
        with tempfile.TemporaryDirectory() as tmp:
            for models, model, code in (([here, gone], "a", 0), ([gone, here], "a", 0), ([gone, here], "b", 0),
                                        ([gone], "b", 0), ([gone], "a", 2)):
                path = pathlib.Path(tmp) / "c.yaml"
                path.write_text("feeds: [{name: m, venue: binance-spot, channels: [trade, quote], instruments: [BTCUSDT]}]\n"
                                "features: [mid]\nmodels: [" + ", ".join(models) + "]\n"
                                f'strategies: [{{name: t, model: {model}, buy: "score > 0"}}]\nsinks: [{{type: "null"}}]\n')
                out, err = run("check", path, expect=code)
                if code == 0:
                    self.assertIn("gone.safetensors cannot be read here", out)
                    self.assertIn(f"{path}: ok", out)
                else:
                    self.assertIn('no model is named "a"', err)

    def test_more_sinks_than_there_is_room_for_are_refused_by_check(self):
        with tempfile.TemporaryDirectory() as out:
            path = pathlib.Path(out) / "sinks.yaml"
            for cnt, code in ((15, 0), (16, 0), (17, 2)):
                path.write_text('features: [mid]\nstrategies: [{name: s, buy: "mid > 0"}]\n'
                                f'sinks: [{", ".join(["{type: null}".replace("null", chr(39) + "null" + chr(39))] * cnt)}]\n')
                _, err = run("check", path, expect=code)
            self.assertIn("17 sinks; at most 16", err)

    def test_what_a_feed_would_refuse_check_refuses_at_its_place(self):
        with tempfile.TemporaryDirectory() as out:
            path = pathlib.Path(out) / "feed.yaml"
            for keys, pattern in (
                    ("venue: bitmex, instruments: [XBTUSD], book_depth: 10", r"feed.yaml:1:\d+: feeds\[0\].book_depth: .*BITMEX has 25"),
                    ("venue: kraken, instruments: [A/B, C/D], fallback: [{venue: okx, instruments: [A/B=A-B]}]",
                     r"feeds\[0\].instruments: no room for instrument")):
                path.write_text(f'feeds: [{{name: f, {keys}}}]\nengine: {{instruments_max: 2}}\nfeatures: [mid]\n'
                                'strategies: [{name: s, buy: "mid > 0"}]\nsinks: [{type: "null"}]\n')
                _, err = run("check", path, expect=2)
                self.assertRegex(err, pattern)


if __name__ == "__main__":
    main()
