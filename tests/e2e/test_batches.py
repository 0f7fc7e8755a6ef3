"""Ticks of several instruments answered at once: decisions have the bits that they have one by one, whatever the batches,
the waiting and the threads."""
import json
import pathlib
import random
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import main, run
from made_models import decisions_of, make_affine, make_window, write_config, numpy

SYMBOLS = [f"{a}{b}USDT" for a in "ABCDE" for b in "KLMNO"]
FEATURES = ["last", "ema(last, 8)", "roc(last, 3)"]
SPLIT = {"one": "[{stages: all}]", "two": "[{stages: [acquire]}, {stages: [buffer, compute, decide, emit]}]",
         "three": "[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"}


def recording(path, seed=7):
    """Trades in bursts: some of one instrument after another, some of one alone, each received a microsecond after the last."""
    rng, now, trade_id = random.Random(seed), 1_723_161_255_000_000_000, 0
    prices = {s: rng.uniform(0.5, 1.5) for s in SYMBOLS}
    with open(path, "w", encoding="utf-8") as out:
        for _ in range(160):
            now += rng.choice([10_000, 1_000_000, 300_000_000])
            burst = rng.sample(SYMBOLS, rng.randint(1, len(SYMBOLS))) if rng.random() < 0.8 else [rng.choice(SYMBOLS)] * 6
            for symbol in burst:
                now, trade_id = now + 1000, trade_id + 1
                prices[symbol] *= rng.uniform(0.98, 1.02)
                trade = {"e": "trade", "E": now // 1_000_000, "s": symbol, "t": trade_id, "p": f"{prices[symbol]:.4f}", "q": "2.0",
                         "T": now // 1_000_000, "m": rng.random() < 0.5, "M": True}
                out.write(f"{now} {json.dumps({'stream': symbol.lower() + '@trade', 'data': trade}, separators=(',', ':'))}\n")


class Batches(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tf-batches-"))
        recording(cls.folder / "trades.txt")
        cls.source = f"binance-spot:{cls.folder / 'trades.txt'}"
        rng = random.Random(3)

        def made(name, features, outputs):
            return make_affine(cls.folder, name, features, [[rng.uniform(-1, 1) for _ in range(outputs)] for _ in features],
                               [rng.uniform(-1, 1) for _ in range(outputs)])
        cls.files = {"a": made("a", FEATURES, 3), "b": made("b", FEATURES[:2], 3), "embed": made("embed", FEATURES, 8)}
        cls.files["side"] = made("side", [f"embed.{i}" for i in range(8)] + ["last"], 3)

    def config(self, engine=""):
        models = [f"{{name: side, file: {self.files['side']}, quantiles: refuse}}", f"{{name: embed, file: {self.files['embed']}, valid: -1.6..}}",
                  f"{{name: a, file: {self.files['a']}, valid: -2..2, quantiles: sort}}", f"{{name: b, file: {self.files['b']}, clamp: -0.5..0.5, quantiles: sort}}",
                  "{name: all, ensemble: [a, b, side], combine: median, quorum: 1, quantiles: sort}"]
        strategies = ["{name: s, model: side, buy: 'score > 0', sell: 'score < 0', cooldown: 3ms, books: all}",
                      "{name: f, model: a, buy: 'fleet_mean > 0 and fleet_breadth > 0.3', sell: 'fleet_p90_max < 0.9', max_rate: 5/10ms, books: all}",
                      "{name: e, model: all, buy: 'disagreement > 0.5 and score > 0', sell: 'score < p10 + 0.1', books: all}",
                      "{name: plain, buy: 'last > 1', books: all}"]
        return write_config(self.folder, FEATURES, models, strategies, f"{{instruments_max: 40{engine}}}")

    def decide(self, engine=""):
        got, summary = decisions_of(self.folder, self.source, self.config(engine))
        keys = ("decision_seq", "ingest_seq", "instrument", "action", "hold_reason", "score", "p10", "p90", "model_hash", "ts_recv_ns")
        return [[d.get(k) for k in keys] for d in got.values()], summary

    def test_bits_and_order_are_those_of_ticks_one_by_one(self):
        plain, first = self.decide()
        self.assertNotIn("batches", first)
        self.assertGreater(len(plain), 3000)
        self.assertGreater(first["models"]["side"]["skipped"]["input"], 50, "a test that sees refusals")
        self.assertEqual([d[0] for d in plain], list(range(1, len(plain) + 1)))
        self.assertEqual([d[1] for d in plain], sorted(d[1] for d in plain), "in ingest_seq order")
        for engine in (", batch_max: 2", ", batch_max: 7", ", batch_max: 64", ", batch_max: 64, max_queue_delay: 3us",
                       ", batch_max: 5, max_queue_delay: 1s", *(f", batch_max: 16, lanes: {lanes}" for lanes in SPLIT.values()),
                       f", batch_max: 16, max_queue_delay: 1ms, lanes: {SPLIT['three']}, idle: sleep"):
            got, summary = self.decide(engine)
            self.assertEqual(summary["decisions_hash"], first["decisions_hash"], engine)
            self.assertEqual(summary["events_hash"], first["events_hash"], engine)
            self.assertEqual(got, plain, engine)
            for name, model in summary["models"].items():
                self.assertEqual({k: v for k, v in model.items() if k != "late"}, {k: v for k, v in first["models"][name].items() if k != "late"}, (engine, name))
            self.assertEqual(summary["batches"]["ticks"], summary["ticks"], engine)

    def test_windows_are_answered_together_with_the_same_bits(self):
        rng = numpy.random.default_rng(5)
        files = {kind: make_window(self.folder, f"w-{kind}", FEATURES, 4, 3, rng, kind) for kind in ("lstm", "gru", "flat")}
        for precision in ("fp32", "int8"):
            models = [f"{{name: {kind}, file: {path}, quantiles: sort, precision: {precision}, error_max: 1000000}}" for kind, path in files.items()]
            models[1] = models[1].replace("}", ", valid: -0.8..0.8}")
            strategies = [f"{{name: s-{kind}, model: {kind}, buy: 'score > 0', sell: 'score < 0', books: all}}" for kind in files]
            found = []
            for engine in ("", ", batch_max: 2", ", batch_max: 64", ", batch_max: 64, max_queue_delay: 1s", f", batch_max: 16, lanes: {SPLIT['three']}"):
                config = write_config(self.folder, FEATURES, models, strategies, f"{{instruments_max: 40{engine}}}")
                got, summary = decisions_of(self.folder, self.source, config)
                counts = {n: {k: v for k, v in m.items() if k != "late"} for n, m in summary["models"].items()}
                found.append((summary["decisions_hash"], counts, [(d["ingest_seq"], d["score"]) for d in got.values()]))
                if engine:
                    self.assertGreater(sum(n for k, n in summary["batches"]["sizes"].items() if int(k) >= 2), 20)
            self.assertGreater(len(found[0][2]), 2000)
            self.assertGreater(found[0][1]["gru"]["skipped"]["out_of_range"], 20, "a test that sees refusals")
            for one in found[1:]:
                self.assertEqual(one, found[0])

    def test_readers_of_another_instrument_and_those_it_wakes_see_what_they_saw(self):
        features = [*FEATURES, "last@lead", "ema(last@lead, 5)"]
        files = [make_affine(self.folder, "peer", features, [[0.7], [-0.4], [2.0], [-0.3], [0.1]], [0.05])]
        found = []
        for engine in ("", ", batch_max: 2", ", batch_max: 64", ", batch_max: 64, max_queue_delay: 1s"):
            config = write_config(self.folder, features, [f"{{name: peer, file: {files[0]}}}"],
                                  ["{name: p, model: peer, buy: 'score > 0', sell: 'fleet_mean < 0', books: all}"],
                                  f"{{instruments_max: 40{engine}}}",
                                  peers=["{name: lead, instruments: [AKUSDT.BINANCE-SPOT], max_age: any, books: all, wake: true}"])
            got, summary = decisions_of(self.folder, self.source, config)
            found.append((summary["decisions_hash"], [d["ingest_seq"] for d in got.values()]))
        self.assertGreater(len(found[0][1]), 1000)
        self.assertEqual(found, [found[0]] * len(found))

    def test_sizes_are_counted_and_reach_what_is_allowed(self):
        for most, delay in ((8, "0us"), (32, "1s")):
            _, summary = self.decide(f", batch_max: {most}, max_queue_delay: {delay}")
            sizes = {int(k): n for k, n in summary["batches"]["sizes"].items()}
            self.assertTrue(all(n == 0 for k, n in sizes.items() if k > most), sizes)
            self.assertGreater(sum(n for k, n in sizes.items() if k >= 4), 20, sizes)
            self.assertLessEqual(sum(k * n for k, n in sizes.items()), summary["ticks"])
            self.assertEqual(summary["latency_ns"]["queue"]["max"] > 0, True)

    def test_a_replay_of_another_batch_size_explains_the_same_decision(self):
        plain, _ = self.decide(", batch_max: 64")
        buy = next(d for d in plain if d[3] == "BUY")
        out, _ = run("explain", buy[0], "--config", self.config(", batch_max: 64"), "--input", self.source, "--json")
        told = json.loads(out)
        self.assertEqual([told["decision"][k] for k in ("decision_seq", "instrument", "action")], [buy[0], buy[2], "BUY"])
        self.assertIn(buy[2].split(".")[0], told["cause"]["message"]["text"], "the message that it was decided on, not a later one")


if __name__ == "__main__":
    main()
