"""Features on the card (features: gpu): the worker is told of the market and computes the features and the model; what it has not it gets
from the lane. The card's program with its kernels run by this CPU: a tick takes milliseconds, so models are small here (ADR 0045)."""
import json
import os
import pathlib
import re
import signal
import struct
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import DATA, ROOT, main, run, wait_until
from made_models import make_affine, make_window, numpy
from ports import free_port
from test_workers import CARD, FEATURES, MLP, Case, model, pid_of_worker, serves, sets, status_of, worker

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "ADAUSDT", "DOGEUSDT"]
FLOW = ["imbalance(5)", "ofi(1s)", "zscore(mid,50)", "(microprice-mid)/spread"]
BOUND = 2e-5  # twice what fp32 is allowed, of an answer's size or 1


def answers(engine, more):
    goal = status_of(engine)["answered"] + more
    wait_until(lambda: status_of(engine)["answered"] >= goal, seconds=300, what=f"{more} answers")


def ulps(a, b):
    """How many floats apart."""
    def number(x):
        bits = struct.unpack("<i", struct.pack("<f", x))[0]
        return bits if bits >= 0 else -(bits & 0x7fffffff)
    return abs(number(a) - number(b))


@unittest.skipUnless(os.path.exists(CARD), f"{CARD} is not built")
class Pair(Case):
    """The same model by the lane (near) and by the worker from the market (far)."""

    def setUp(self):
        super().setUp()
        self.held, self.program = pathlib.Path(self.whole) / "held", pathlib.Path(self.whole) / "worker"
        self.program.write_text(f'#!/bin/sh\nwhile [ -e {self.held} ]; do sleep 0.05; done\nexec {CARD} "$@"\n')
        self.program.chmod(0o700)

    def kill(self, engine):
        """The next one is held back until ticks have been without a worker."""
        ends = sum(status_of(engine)["ends"].values())
        self.held.touch()
        os.kill(pid_of_worker(engine), signal.SIGKILL)
        missed = wait_until(lambda: (s := status_of(engine))["state"] == "suspect" and s, seconds=300, what="its end")["missed"]
        wait_until(lambda: status_of(engine)["missed"] > missed + 5, seconds=300, what="misses")
        self.held.unlink()
        serves(engine, after=ends + 1, seconds=300)

    def pair(self, file, *more, until, features=FEATURES, market=(), enough=60, gpu=None, **keys):
        keys = {"deadline": "1s", "miss_limit": 1000000, **keys}
        config = sets(model("near", file), worker(file=file, backend="gpu", features="gpu", **keys), strategies="near far",
                      features=features, **{"worker": self.program, "compare_every": 16, "heart": "120s", "start": "10m", **(gpu or {})})

        def wait(engine):
            serves(engine, seconds=300)
            until(engine)

        live, decisions = self.live([*config, *more], until=wait, seconds="600s", market=market)
        w = self.check_worker(live)
        self.assertEqual(w["wrong"], 0, w)
        near = {(d["ingest_seq"], d["instrument"]): d for d in decisions if d["path"] == "cpu"}
        far = [d for d in decisions if d["path"] == "gpu"]
        self.assertGreater(len(far), enough)
        self.check_replay([*config, *more], live, decisions)
        return live, w, decisions, [(d, near[d["ingest_seq"], d["instrument"]]) for d in far]

    def check_bound(self, pairs):
        off = max(abs(f["score"] - n["score"]) / max(1.0, abs(n["score"])) for f, n in pairs)
        self.assertLess(off, BOUND)

    def check_stand_in(self, decisions):
        """What stood in is the lane's own model: the same bits, on the same tick."""
        near = {(d["ingest_seq"], d["instrument"]): d["score"] for d in decisions if d["path"] == "cpu"}
        stood_in = [d for d in decisions if d["path"] == "fallback"]
        self.assertGreater(len(stood_in), 1)
        self.assertEqual([d for d in stood_in if d["score"] != near[d["ingest_seq"], d["instrument"]]], [])


class Rows(Pair, unittest.TestCase):
    """A model over single rows."""

    def check(self, *more, ends=0):
        def until(engine):
            for _ in range(ends):
                self.kill(engine)
                answers(engine, 30)
            answers(engine, 60)
            wait_until(lambda: status_of(engine)["compared"] > 1, seconds=300, what="answers that are compared")

        live, w, decisions, pairs = self.pair(MLP, *more, until=until)
        self.check_bound(pairs)
        self.assertGreater(w["features"]["states"], ends, w)
        return w, decisions

    def test_its_answers_are_the_cpus_within_the_bound_and_a_replay_has_its_bits(self):
        w, _ = self.check()
        self.assertIn("imbalance", w["features"]["handed_over"])

    def test_one_that_dies_comes_back_with_the_lanes_memory(self):
        w, decisions = self.check(ends=2)
        self.assertEqual(w["ends"], {"signal": 2})
        self.check_stand_in(decisions)


class Windows(Pair, unittest.TestCase):
    """A model over a window behind the worker's features: a new worker's windows are full with the first answer, since the lane sends the
    rows that it keeps."""

    def made(self, kind="lstm", window=5):
        return make_window(pathlib.Path(self.whole), kind, FLOW, window, 1, numpy.random.default_rng(11), kind, units=4)

    def check(self, kind, *more, ends=0, cnt=100, **kwargs):
        def until(engine):
            answers(engine, cnt)
            for _ in range(ends):
                self.kill(engine)
                answers(engine, cnt)
            wait_until(lambda: status_of(engine)["compared"] > 1, seconds=300, what="answers that are compared")

        live, w, decisions, pairs = self.pair(self.made(kind), *more, until=until, features=FLOW, **kwargs)
        self.check_bound(pairs)
        self.assertGreater(w["features"]["states"], ends)
        return live, w, decisions

    def test_each_kind_of_window(self):
        for kind in ("lstm", "gru", "flat"):
            with self.subTest(kind):
                self.check(kind)

    def test_one_that_dies_is_followed_by_one_with_full_windows(self):
        _, w, decisions = self.check("lstm", ends=2)
        self.assertEqual(w["ends"], {"signal": 2})
        self.check_stand_in(decisions)

    def test_a_real_recording(self):
        path = DATA / "binance-spot" / "btcusdt_20240808.gz"
        if not path.exists():
            self.skipTest(f"{path} is absent")
        self.check("lstm", "feeds.0.instruments=[BTCUSDT]", cnt=2000, market=("--input", path, "--speed", "20"))


class Values(Pair, unittest.TestCase):
    """The features themselves: the model's outputs are three of its inputs as they are."""

    def check(self, features, off_max, *more, ends=0, batch=None):
        outputs = [[1.0 if i == k else 0.0 for k in range(3)] for i in range(len(features))]
        file = make_affine(pathlib.Path(self.whole), "through", features, outputs, [0.0] * 3)
        self.port = free_port()
        more = [f"http.listen=127.0.0.1:{self.port}", f"feeds.0.instruments=[{', '.join(SYMBOLS)}]", *more]
        if batch:
            more += [f"engine.batch_max={batch}", "engine.max_queue_delay=20ms"]

        def until(engine):
            answers(engine, 150)
            for _ in range(ends):
                self.kill(engine)
                answers(engine, 150)
            self.check_shown(engine)
            if batch:
                wait_until(lambda: (s := status_of(engine))["requests"] < s["asked"] - 10, seconds=300, what="ticks together")

        live, w, decisions, pairs = self.pair(file, *more, until=until, features=features,
                                              market=("--symbols", ",".join(SYMBOLS), "--rate", 400))
        for f, n in pairs:
            for key, most in zip(("score", "p10", "p90"), off_max):
                self.assertTrue(ulps(f[key], n[key]) <= most or abs(f[key] - n[key]) <= most * 1e-12, (key, f, n))
        for key in ("score", "p10", "p90"):
            self.assertGreater(len({n[key] for _, n in pairs}), 1, f"{key} of values that differ")
        return live, w, decisions

    def check_shown(self, engine):
        """Status and metrics, while it runs."""
        shown = status_of(engine)["features"]
        self.assertEqual(shown["on"], "worker")
        self.assertGreater(shown["state_bytes"], 0)
        found = self.metrics()
        for name in ("market_rows_total", "states_total", "states_sent_bytes_total", "requests_total"):
            self.assertGreater(int(found[f"model_worker_{name}"]), 0, found)
        if "members" in shown:  # a lane that is kept off its core sees some of them silent for too long
            wait_until(lambda: int(self.metrics()["universe_members"]) == len(SYMBOLS), seconds=300, what="all members in the metrics")
            wait_until(lambda: status_of(engine)["features"]["members"] == len(SYMBOLS), seconds=300, what="all members")

    def metrics(self):
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=60).read().decode()
        return dict(re.findall(r'^tickfuse_(model_worker_\w+|universe_members){[^}]*(?:far|lane)[^}]*} (\d+)$', text, re.M))

    def test_those_of_an_instrument_are_the_lanes_as_floats(self):
        self.check(["ema(microprice,7)", "rsi(mid,14)", "imbalance(5)", "ofi(1s)"], (0, 0, 0))

    def check_universe(self, **kwargs):
        return self.check(["ema(cs_rank(ema(mid,20)),4)", "cs_zscore(ret(mid,10))", "cs_rank(imbalance(5))", "cs_count(mid)"], (0, 1, 0),
                          "universe={max_age: 2s, books: all}", **kwargs)

    def test_those_of_a_universe_are_too_but_for_a_last_place(self):
        _, w, _ = self.check_universe()
        self.assertEqual(w["features"]["handed_over"], "imbalance")

    def test_a_universe_is_whole_again_in_the_next_worker(self):
        _, w, decisions = self.check_universe(ends=1)
        self.check_stand_in(decisions)
        self.assertGreaterEqual(w["features"]["sections_anew"], 2, w)

    def check_batches(self, **kwargs):
        live, w, decisions = self.check_universe(batch=8, **kwargs)
        self.assertGreater(sum(cnt for size, cnt in live["batches"]["sizes"].items() if int(size) > 1), 0, live["batches"])
        return w, decisions

    def test_a_universe_in_batches(self):
        self.check_batches()

    def test_a_universe_in_batches_is_whole_again_in_the_next_worker(self):
        """Memories are sent while ticks wait for their batch (ADR 0060)."""
        w, decisions = self.check_batches(ends=3)
        self.check_stand_in(decisions)
        self.assertGreaterEqual(w["features"]["sections_anew"], 4, w)


class Told(unittest.TestCase):
    """check and doctor say who computes the features, and what is handed over, before a run."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tf-features-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def told(self, command, features, on="gpu"):
        file = make_affine(self.folder, "m", features, [[1.0]] * len(features), [0.0])
        config = sets(worker(file=file, backend="gpu", deadline="100us", features=on), features=features,
                      worker=CARD, start="10m", restart_max=1)
        words = [word for item in config for word in ("--set", item)]
        text, _ = run(*command.split(), ROOT / "configs" / "demo.yaml", *words)
        out, _ = run(*command.split(), ROOT / "configs" / "demo.yaml", "--json", *words)
        return text, json.loads(out)["models"][0]

    def check(self, expected, features, on="gpu"):
        text, row = self.told("check", features, on)
        self.assertEqual(row["features"], expected)
        self.assertIn(f"model far: {expected}\n", text)

    MARKET = "the worker computes its features from the market; "
    LANE = "the lane computes its features and sends rows"

    def test_nothing_is_handed_over_of_what_a_card_computes(self):
        self.check(self.MARKET + "nothing else is handed over", ["mid", "ema(mid,20)", "cs_rank(mid)"])

    def test_what_no_card_computes_is_named_once(self):
        self.check(self.MARKET + "for what no card computes the lane hands values over: imbalance, weighted_mid",
                   ["mid", "imbalance(5)", "imbalance(10)", "ema(weighted_mid(5),5)"])

    def test_rows_unless_the_config_says_so(self):
        self.check(self.LANE, ["mid"], on="lane")

    def test_values_that_are_handed_over_fit_a_row_up_to_the_limit(self):
        for cnt in (127, 128, 129):
            expected = (self.MARKET + "for what no card computes the lane hands values over: imbalance" if cnt <= 128 else
                        self.LANE + ": the lane would hand over more values than a row holds")
            self.check(expected, [f"imbalance({n})" for n in range(1, 1 + cnt)])

    def test_a_model_of_another_models_outputs_is_sent_rows(self):
        file = make_affine(self.folder, "one", ["mid"], [[1.0]], [0.0])
        two = make_affine(self.folder, "two", ["mid", "one.0"], [[1.0], [1.0]], [0.0])
        words = ["check", ROOT / "configs" / "demo.yaml", "--json"]
        for item in sets(model("one", file, backend="cpu"), worker(file=two, backend="gpu", features="gpu"), features=["mid"], worker=CARD):
            words += ["--set", item]
        out, _ = run(*words)
        row = json.loads(out)["models"][1]
        self.assertEqual(row["features"], self.LANE + ": it reads outputs of another model")

    @unittest.skipUnless(os.path.exists(CARD), f"{CARD} is not built")
    def test_doctor_says_it_too_and_whether_such_a_worker_serves_here(self):
        text, row = self.told("doctor --no-measure", ["mid", "imbalance(5)"])
        expected = self.MARKET + "for what no card computes the lane hands values over: imbalance"
        self.assertEqual((row["features"], row["on"], row["serves"]), (expected, "worker", True), row)
        self.assertIn(expected, text)

    def test_wrong_words_are_refused_with_their_place(self):
        conflict = ("models[0].features", "features: gpu is of backend: gpu")
        for keys, wanted in (({"features": "gpux"}, ('found "gpux"', 'did you mean "gpu"', "models[0].features")),
                             ({"backend": "stub"}, conflict), ({"backend": "cpu"}, conflict), ({"backend": "auto"}, conflict)):
            one = model("far", MLP, **{"backend": "gpu", "features": "gpu", **keys})
            words = [word for item in sets(one, worker=CARD) for word in ("--set", item)]
            _, err = run("check", ROOT / "configs" / "demo.yaml", *words, expect=2)
            for word in wanted:
                self.assertIn(word, err)


if __name__ == "__main__":
    main()
