"""A version on trial: it serves a share of the instruments, the same ones always, while the one that serves the others stays
ready to serve them again; what is not good enough is ended by itself; a replay of the capture decides the same."""
import pathlib
import re
import shutil
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, main, replay, run, shm_name, wait_until
from made_models import make_affine
from test_control import Engine
from test_live import Exchange
from test_model_cache import runs_of
from test_swap import THREE, Swapping

MASK = (1 << 64) - 1


def fold(value, word):
    product = (value ^ word ^ 0xd6e8feb86659fd93) * 0xff51afd7ed558ccd
    return ((product & MASK) ^ (product >> 64)) ^ ((value << 1 | value >> 63) & MASK)


SEED = 0x9e3779b97f4a7c15


def place(instrument, model_idx=0):
    """Of 10000: a canary with a greater share serves it (core/hash.h, written anew)."""
    value, word = SEED, 0
    for i, byte in enumerate(instrument.encode()):
        word = (word << 8 | byte) & MASK
        if i % 8 == 7:
            value = fold(value, word)
    return fold(fold(value, word), model_idx) % 10000


def tick_place(ingest_seq, model_idx=0):
    """The same of a tick."""
    return fold(fold(SEED, ingest_seq), model_idx) % 10000


PLACES = sorted((place(f"{s}.BINANCE-SPOT"), s) for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT"))
SHARE = PLACES[0][0] // 100 + 1  # per cent: the first of them, and no other
TRIED = {s for p, s in PLACES if p < SHARE * 100}


class Canary(Swapping):
    def check_trial(self, *sets):
        self.assertTrue(0 < len(TRIED) < 3, PLACES)
        one, two = (self.registry.sha256(v)[:8] for v in (1, 2))
        with Exchange() as exchange, self.engine(exchange, *sets) as engine:
            self.busy(engine)
            row = self.model(engine, "canary", "lstm", "2", "--share", SHARE)
            self.assertEqual((row["version"], row["beside"], row["state"], row["canary"]["share"]), (1, 2, "canary", SHARE))
            self.busy(engine)
            row = self.model(engine, "list")
            self.assertGreater(row["canary"]["answers"], 100)
            self.assertGreater(row["shadow"]["answers"], row["canary"]["answers"])  # of both kinds of instruments
            self.assertEqual(self.model(engine, "abort", "lstm")["state"], "ready")
            self.busy(engine, 1000)
            self.model(engine, "canary", "lstm", "--share", SHARE)  # the newest: 3
            self.busy(engine, 1000)
            row = self.model(engine, "promote", "lstm")
            self.assertEqual((row["version"], row["previous"], row["state"]), (3, 1, "idle"))
            self.busy(engine, 1000)
            for verb in ("promote", "abort"):
                self.assertIn("no version is a canary", engine.ask("model", verb, "lstm", expect=2)["error"])
            engine.ask("drain")
            live, decisions = engine.end(), engine.decisions()
        three = self.registry.sha256(3)[:8]
        self.assertEqual(live["ledger"]["residual"], 0)
        self.assertEqual(live["events"]["control"], 4)  # canary, its end, canary, swap
        for symbol, runs in runs_of(decisions).items():
            found = [(h, p) for h, p, _ in runs]
            if symbol in TRIED:
                self.assertEqual(found, [(one, "cpu"), (two, "canary"), (one, "cpu"), (three, "canary"), (three, "cpu")], symbol)
            else:
                self.assertEqual(found, [(one, "cpu"), (three, "cpu")], symbol)
        for lanes in ("engine.lanes=[{stages: all}]", THREE):
            again, _ = self.replayed(lanes)
            for key in ("decisions_hash", "events_hash", "decisions", "inference"):
                self.assertEqual(again[key], live[key], (lanes, key))
        # Each answer is that of a version that was there all along, also of those that served again after a trial.
        for version, model_hash in ((1, one), (2, two), (3, three)):
            _, always = self.replayed(version=version)
            scores = {(d["ingest_seq"], d["instrument"]): d["score"] for d in always}
            mine = [d for d in decisions if d["model_hash"] == model_hash]
            self.assertGreater(len(mine), 100)
            for d in mine:
                self.assertEqual(d["score"], scores[d["ingest_seq"], d["instrument"]], d)

    def test_share_of_instruments_is_served_and_served_again(self):
        self.check_trial()

    def test_the_same_with_the_lane_on_a_thread_of_its_own(self):
        self.check_trial(THREE)

    def check_trial_by_ticks(self, *sets, **keys):
        by = ["--share-by", "ticks"] if "canary_share_by" not in keys else []
        one, two = (self.registry.sha256(v)[:8] for v in (1, 2))
        with Exchange() as exchange, self.engine(exchange, *sets, **keys) as engine:
            self.busy(engine, 1000)
            row = self.model(engine, "canary", "lstm", "2", "--share", 30, *by)
            self.assertEqual((row["state"], row["canary"]["share"], row["canary"]["share_by"]), ("canary", 30, "ticks"))
            self.busy(engine, 3000)
            self.model(engine, "abort", "lstm")
            self.busy(engine, 500)
            engine.ask("drain")
            live, decisions = engine.end(), engine.decisions()
        self.assertEqual(live["ledger"]["residual"], 0)
        canary = [d["ingest_seq"] for d in decisions if d["path"] == "canary"]
        trial = [d for d in decisions if canary[0] <= d["ingest_seq"] <= canary[-1]]
        self.assertGreater(len(canary), 300)
        for d in decisions:
            tried = canary[0] <= d["ingest_seq"] <= canary[-1] and tick_place(d["ingest_seq"]) < 3000
            self.assertEqual((d["model_hash"], d["path"]), (two, "canary") if tried else (one, "cpu"), d)
        self.assertEqual({d["instrument"] for d in trial if d["path"] == "canary"}, {d["instrument"] for d in trial})
        for lanes in ("engine.lanes=[{stages: all}]", THREE):
            again, _ = self.replayed(lanes)
            for key in ("decisions_hash", "events_hash", "decisions", "inference"):
                self.assertEqual(again[key], live[key], (lanes, key))
        for version, model_hash in ((1, one), (2, two)):  # each answer is that of a version that was there all along
            _, always = self.replayed(version=version)
            scores = {(d["ingest_seq"], d["instrument"]): d["score"] for d in always}
            for d in decisions:
                if d["model_hash"] == model_hash:
                    self.assertEqual(d["score"], scores[d["ingest_seq"], d["instrument"]], d)

    def test_share_of_ticks_is_served_whatever_the_instrument(self):
        self.check_trial_by_ticks()

    def test_the_same_by_the_config_and_with_the_lane_on_a_thread_of_its_own(self):
        self.check_trial_by_ticks(THREE, canary_share_by="ticks")

    def test_canary_whose_scores_are_further_off_than_allowed_is_ended_by_itself(self):
        """The versions' scores are a fifth of mid apart: 36 for SOL, and 12,000 once BTC is subscribed to, so that their mean passes 1000 at
        some tick, whichever that is."""
        folder = pathlib.Path(self.folder)
        (self.registry.dir / "far").mkdir()
        for version, weight in ((1, 0.1), (2, 0.3)):
            made = make_affine(folder, "far", ["mid"], [[weight]], [0.0])
            made.rename(self.registry.dir / "far" / f"{version}.safetensors")
        sets = ["features=[mid]",
                f"models=[{{name: far, registry: {self.registry.dir}, version: 1, shadow_min: 200, divergence_max: 1000000000}}]",
                "strategies=[{name: flow, model: far, buy: 'score > 0', books: all}]"]

        def far(engine):
            return engine.ask("model", "list")["models"][0]

        with Exchange() as exchange, Engine(exchange, self.folder, *sets, "feeds.0.instruments=[SOLUSDT]",
                                            f"capture.path={folder}/capture") as engine:
            self.busy(engine, 100)
            engine.ask("model", "load", "far", "2")
            wait_until(lambda: far(engine)["shadow"]["answers"] >= 200, what="shadow_min")
            engine.ask("model", "canary", "far", "2", "--share", 50, "--share-by", "ticks")
            answers = far(engine)["canary"]["answers"]
            wait_until(lambda: far(engine)["canary"]["answers"] > answers + 200, what="answers that are judged and near enough")
            self.assertEqual((far(engine)["state"], far(engine)["rollbacks"]), ("canary", 0))
            engine.ask("subscribe", "main", "BTCUSDT")
            row = wait_until(lambda: (r := far(engine))["rollbacks"] == 1 and r["state"] == "ready" and r, what="the end of the trial")
            self.assertEqual((row["version"], row["beside"], row["refusal"]), (1, 2, "E_MODEL_DIVERGED"))
            said = re.fullmatch(r"far: the scores of the canary's version 2 are (\d+) millionths off on average, 1000000000 are allowed",
                                row["refusal_text"])
            self.assertGreater(int(said[1]), 1000000000)
            self.assertGreater(row["shadow"]["divergence_max"], 10000)
            self.busy(engine, 300)
            engine.ask("drain")
            live, decisions = engine.end(), engine.decisions()
        self.assertEqual(live["events"]["control"], 2)  # the trial's begin and end
        self.assertEqual({d["path"] for d in decisions[-200:]}, {"cpu"})
        again = replay(f"{folder}/capture", config=str(ROOT / "configs" / "demo.yaml"), sets=sets)[0]
        for key in ("decisions_hash", "events_hash", "decisions"):
            self.assertEqual(again[key], live[key], key)

    def test_another_version_or_a_drop_ends_the_trial_first(self):
        with Exchange() as exchange, self.engine(exchange, THREE) as engine:
            for _ in range(3):
                self.model(engine, "canary", "lstm", "2", "--share", 99)
                self.busy(engine, 200)
                self.model(engine, "canary", "lstm", "3", "--share", 99)
                self.busy(engine, 200)
                self.assertEqual(self.model(engine, "drop", "lstm")["beside"], None)
            self.model(engine, "canary", "lstm", "2", "--share", 99)
            self.assertEqual(self.model(engine, "swap", "lstm", "3")["version"], 3)
            engine.ask("drain")
            live = engine.end()
        self.assertEqual(live["ledger"]["residual"], 0)
        again, _ = self.replayed()
        self.assertEqual(again["decisions_hash"], live["decisions_hash"])

    def test_restart_comes_back_with_the_version_that_served_and_the_trial(self):
        snapshot = f"engine.snapshot={self.folder}/kept.snap"
        with Exchange() as exchange, self.engine(exchange, snapshot) as engine:
            self.busy(engine, 1000)
            self.model(engine, "swap", "lstm", "2")
            self.model(engine, "canary", "lstm", "3", "--share", SHARE)
            self.busy(engine, 500)
            engine.ask("drain")
            engine.end()
        pathlib.Path(engine.journal).unlink()
        shutil.rmtree(f"{self.folder}/capture")
        kept = pathlib.Path(f"{self.folder}/kept.snap").read_bytes()
        with Exchange() as exchange, self.engine(exchange, snapshot) as engine:  # whose config says version 1
            row = wait_until(lambda: (r := self.model(engine, "list"))["state"] == "canary" and r, what="the trial again")
            self.assertEqual((row["version"], row["beside"], row["canary"]["share"]), (2, 3, SHARE))
            self.busy(engine, 500)
            engine.ask("drain")
            live, decisions = engine.end(), engine.decisions()
        two, three = (self.registry.sha256(v)[:8] for v in (2, 3))
        for symbol, runs in runs_of(decisions).items():
            self.assertEqual([(h, p) for h, p, _ in runs][-1], (three, "canary") if symbol in TRIED else (two, "cpu"), symbol)
            self.assertEqual({h for h, _, _ in runs} - {two, three}, set(), symbol)
        pathlib.Path(f"{self.folder}/kept.snap").write_bytes(kept)  # what the second run began with
        again, _ = self.replayed(snapshot)
        for key in ("decisions_hash", "events_hash", "decisions"):
            self.assertEqual(again[key], live[key], key)
        pathlib.Path(f"{self.folder}/kept.snap").write_bytes(kept)
        sets = [word for one in (*self.registry.sets(), snapshot, f"sinks.0.path={shm_name()}") for word in ("--set", one)]
        _, err = run("replay", ROOT / "configs" / "demo.yaml", "--input", f"{self.folder}/capture", *sets)
        self.assertIn("snapshot_loaded", err)  # it is of version 2, and fits
        pathlib.Path(f"{self.folder}/kept.snap").write_bytes(kept)
        pathlib.Path(engine.journal).unlink()
        shutil.rmtree(f"{self.folder}/capture")
        self.registry.path(2).unlink()
        with Exchange() as exchange, self.engine(exchange, snapshot) as engine:  # not to be had any more: as the config says
            self.assertEqual(self.model(engine, "list")["version"], 1)
            engine.ask("drain")
            engine.end()

    def test_canary_that_is_late_is_ended_by_itself(self):
        with Exchange() as exchange, self.engine(exchange, budget="100ns", canary_late_max=50) as engine:
            self.busy(engine, 500)
            self.model(engine, "canary", "lstm", "2", "--share", SHARE)
            row = wait_until(lambda: (r := self.model(engine, "list"))["rollbacks"] == 1 and r["state"] == "ready" and r,
                             what="the end of the trial")
            self.assertIn("came later than the budget", row["refusal_text"])
            engine.ask("drain")
            live = engine.end()
        self.assertEqual(live["events"]["control"], 2)
        self.assertEqual(self.replayed()[0]["decisions_hash"], live["decisions_hash"])

    def test_canary_whose_answers_are_refused_is_ended_by_itself(self):
        folder = pathlib.Path(self.folder)
        (self.registry.dir / "ahead").mkdir()
        for version, bias in ((1, 0.0), (3, 1000.0)):
            made = make_affine(folder, "ahead", ["spread_bps", "imbalance(5)"], [[0.1], [0.5]], [bias])
            made.rename(self.registry.dir / "ahead" / f"{version}.safetensors")
        sets = ["features=[spread_bps, 'imbalance(5)']",
                f"models=[{{name: ahead, registry: {self.registry.dir}, version: 1, valid: -100..100, rollback_refused: 20}}]",
                "strategies=[{name: flow, model: ahead, buy: 'score > 0.05', books: all}]"]
        with Exchange() as exchange, Engine(exchange, self.folder, *sets, f"capture.path={folder}/capture") as engine:
            self.busy(engine, 500)
            engine.ask("model", "canary", "ahead", "3", "--share", 99)
            row = wait_until(lambda: (r := engine.ask("model", "list")["models"][0])["rollbacks"] == 1 and
                             r["state"] == "ready" and r, what="the end of the trial")
            self.assertEqual((row["version"], row["beside"], row["refusal"]), (1, 3, "E_MODEL_DIVERGED"))
            self.assertIn("answers of the canary, version 3, were not finite", row["refusal_text"])
            self.busy(engine, 300)
            engine.ask("drain")
            live = engine.end()
        self.assertEqual(live["events"]["control"], 2)
        self.assertGreaterEqual(live["models"]["ahead"]["skipped"]["out_of_range"], 20)
        again = replay(f"{folder}/capture", config=str(ROOT / "configs" / "demo.yaml"), sets=sets)[0]
        for key in ("decisions_hash", "events_hash", "decisions", "inference"):
            self.assertEqual(again[key], live[key], key)


if __name__ == "__main__":
    main()
