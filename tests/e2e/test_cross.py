"""Features over several instruments, from the outside: the same decisions over any cut of the threads, ticks that a peer
wakes, errors with their place, the schema. Their values: tests/oracle/cross.py."""
import csv
import gzip
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "oracle"))
from engine_made import Made
from harness import ROOT, main, replay, run

CONFIG = str(ROOT / "configs" / "pairs.yaml")
LOOSE = ["strategies.0.buy=basis_z > 0.5", "strategies.0.sell=basis_z < -0.5", "strategies.0.books=all"]
CUTS = ("[{stages: all}]", "[{stages: [acquire]}, {stages: [buffer, compute, decide, emit]}]",
        "[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]")


class Recorded(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        cls.inputs = []
        for seed, venue in enumerate(("binance-spot", "binance-usdm")):
            path = pathlib.Path(cls.folder.name) / f"{venue}.gz"
            with gzip.open(path, "wt") as out:
                out.writelines(f"{line}\n" for line in Made(venue, 11 + seed).lines() if line)
            cls.inputs.append(f"{venue}:{path}")

    def config(self, text):
        path = pathlib.Path(self.folder.name) / "config.yaml"
        path.write_text(text)
        return str(path)

    def rows(self, config, *args):
        command = ["features", "eval", config]
        for item in self.inputs:
            command += ["--input", item]
        return list(csv.DictReader(io.StringIO(run(*command, *args)[0])))


class Determinism(Recorded):
    def test_every_cut_of_the_threads_decides_the_same(self):
        seen = []
        for wake in ("false", "true"):
            hashes = set()
            for lanes in CUTS:
                sets = LOOSE + [f"engine.lanes={lanes}", f"peers.0.wake={wake}"]
                done, _ = replay(*self.inputs, config=CONFIG, sets=sets)
                hashes.add((done["decisions"], done["decisions_hash"]))
            self.assertEqual(len(hashes), 1, (wake, hashes))
            decisions, value = hashes.pop()
            self.assertGreater(decisions, 100)
            seen.append(value)
        self.assertNotEqual(*seen)

    def test_the_features_do_not_ask_how_they_run(self):
        texts = {json.dumps(self.rows(CONFIG, "--set", f"engine.feature_isa={isa}")) for isa in ("scalar", "auto")}
        self.assertEqual(len(texts), 1)


class Wake(Recorded):
    def test_a_peers_tick_is_one_of_its_readers(self):
        text = ("peers: [{{name: spot, instruments: [BTCUSDT.BINANCE-SPOT], max_age: any, wake: {}}}]\n"
                "features: [mid, mid@spot, \"ema(mid, 2)\"]\n")
        quiet, awake = self.rows(self.config(text.format("false"))), self.rows(self.config(text.format("true")))
        own = [r for r in awake if r["instrument"].endswith("SPOT")]
        self.assertEqual(own, [r for r in quiet if r["instrument"].endswith("SPOT")])
        seqs = {r["ingest_seq"] for r in own}
        perp = [r for r in awake if r["instrument"].endswith("USDM")]
        woken = [r for r in perp if r["ingest_seq"] in seqs]
        ticks = [r for r in quiet if r["instrument"].endswith("USDM")]
        self.assertEqual([r["ingest_seq"] for r in ticks], [r["ingest_seq"] for r in perp if r["ingest_seq"] not in seqs])
        first = int(ticks[0]["ingest_seq"])
        self.assertEqual([r["ingest_seq"] for r in woken], [r["ingest_seq"] for r in own if int(r["ingest_seq"]) > first])
        by_seq = {r["ingest_seq"]: r for r in own}
        for row in woken:
            self.assertIn(row["mid@spot"], (by_seq[row["ingest_seq"]]["mid"], ""))  # none while its book is broken
        for before, row in zip(perp, perp[1:]):
            if row in woken:
                self.assertEqual(row["mid"], before["mid"])  # it did not move: only the time and its peer did

    def test_decisions_of_a_woken_tick_are_of_the_reader_and_name_the_cause(self):
        with tempfile.TemporaryDirectory() as folder:
            journal = pathlib.Path(folder) / "j"
            replay(*self.inputs, config=CONFIG, sets=LOOSE + ["peers.0.wake=true"], args=("--decisions", journal))
            lines = [json.loads(line) for line in run("tail", journal, "--json")[0].splitlines()]
        both = {}
        for d in lines:
            both.setdefault(d["ingest_seq"], []).append(d["instrument"])
        pairs = [names for names in both.values() if len(names) == 2]
        self.assertGreater(len(pairs), 100)
        self.assertEqual({tuple(names) for names in pairs}, {("BTCUSDT.BINANCE-SPOT", "BTCUSDT.BINANCE-USDM")})


class Refusals(Recorded):
    def refused(self, text, *wanted):
        _, err = run("check", self.config(text), expect=2)
        for part in wanted:
            self.assertIn(part, err)

    def test_each_says_what_and_where(self):
        feed = "feeds: [{name: a, venue: binance-spot, instruments: [BTCUSDT]}]\n"
        self.refused(feed + "features: [mid@ETHUSDT.BINANCE-SPOT]\n", "ETHUSDT.BINANCE-SPOT", "no feed of this config brings")
        self.refused(feed + "features: [\"mid@*.OKX\"]\n", "*.OKX, which no feed")
        self.refused("peers: [{name: a, instruments: [BTC]}]\n", "config.yaml:1:32: peers[0].instruments",
                     'found "BTC", expected SYMBOL.VENUE')
        self.refused("peers: [{name: a, instruments: [\"*\"]}]\n", 'found ["*"]')
        self.refused("peers: [{name: a, instruments: [B.C]}, {name: a, instruments: [D.E]}]\n", 'two peers are named "a"')
        self.refused("peers: [{name: eth, instruments: [B.C]}]\nfeatures:\n  - mid@eht\n", "config.yaml:3:9: unknown peer",
                     'did you mean "eth"')
        many = ", ".join(f"S{i}.V" for i in range(16))
        peers = ", ".join(f"{{name: p{i}, instruments: [{many}]}}" for i in range(4))
        run("check", self.config(f"peers: [{peers}]\n"))
        self.refused(f"peers: [{peers}, {{name: q, instruments: [A.B]}}]\n", "more than 64 instruments")

    def test_a_peer_that_a_feed_brings_is_taken_however_it_is_spelt_there(self):
        run("check", self.config("feeds: [{name: a, venue: binance-spot, instruments: [ethusdt, BTCUSDT]}]\n"
                                 "features: [mid@ETHUSDT.BINANCE-SPOT, \"mid@*.BINANCE-SPOT\"]\n"))


class Universe(Recorded):
    FEATURES = ("universe: {{max_age: 2s, books: {books}}}\nfeatures: [spread_bps, "
                '"rank: cs_rank(ema(mid, 20))", "z: cs_zscore(imbalance(5))", "n: cs_count(mid)", mid]\n')

    def test_every_cut_of_the_threads_decides_the_same(self):
        hashes = set()
        config = self.config(self.FEATURES.format(books="all") + (
            "strategies:\n  - {name: s, buy: \"rank > 0.6 and n > 1\", sell: \"z < -0.2\", books: all}\n"
            "sinks: [{type: shm, path: cross}]\n"))
        for lanes in CUTS:
            done, _ = replay(*self.inputs, config=config, sets=[f"engine.lanes={lanes}"])
            hashes.add((done["decisions"], done["decisions_hash"]))
        self.assertEqual(len(hashes), 1, hashes)
        self.assertGreater(hashes.pop()[0], 100)

    def test_a_broken_book_is_out_unless_all_are_asked_for(self):
        good = self.rows(self.config(self.FEATURES.format(books="[ok, none]")))
        everything = self.rows(self.config(self.FEATURES.format(books="all")))
        self.assertEqual(len(good), len(everything))
        for row in everything:
            self.assertEqual(row["n"] == "", row["mid"] == "")
        out = [r for r in good if r["mid"] and not r["n"]]
        self.assertGreater(len(out), 10)

    def test_refusals_say_what_and_where(self):
        feed = "feeds: [{name: a, venue: binance-spot, instruments: [BTCUSDT]}]\n"
        for text, *wanted in (
                ("universe: {instruments: [BTC]}\n", "config.yaml:1:25: universe.instruments", 'found "BTC", expected SYMBOL.VENUE'),
                (feed + "universe: {instruments: [\"*.OKX\"]}\n", 'found "*.OKX", which no feed of this config brings'),
                ("universe: {max_age: 0s}\n", "config.yaml:1:21: universe.max_age"),
                ('features: ["cs_rnk(mid)"]\n', 'unknown indicator "cs_rnk", did you mean "cs_rank"')):
            _, err = run("check", self.config(text), expect=2)
            for part in wanted:
                self.assertIn(part, err)
        run("check", self.config(feed + "universe: {instruments: [BTCUSDT.BINANCE-SPOT], max_age: any}\n"
                                        "features: [\"cs_rank(mid)\"]\n"))

    def test_the_schema_says_among_whom(self):
        out, seen = pathlib.Path(self.folder.name) / "rows.npy", []
        for books in ("all", "[ok, none]"):
            self.rows(self.config(self.FEATURES.format(books=books)), "--out", out)
            seen.append(json.loads(pathlib.Path(f"{out}.schema.json").read_text()))
        self.assertEqual(seen[0]["universe"], {"instruments": [], "max_age_ns": 2 * 10**9, "books": 63})
        self.assertNotEqual(seen[0]["hash"], seen[1]["hash"])


class Schema(Recorded):
    def schema(self, age):
        out = pathlib.Path(self.folder.name) / "rows.npy"
        config = self.config(f"peers: [{{name: spot, instruments: [BTCUSDT.BINANCE-SPOT], max_age: {age}}}]\n"
                             "features: [mid, mid@spot, mid@BTCUSDT.BINANCE-USDM]\n")
        self.rows(config, "--out", out)
        return json.loads(pathlib.Path(f"{out}.schema.json").read_text())

    def test_it_says_which_other_instruments_and_hashes_them(self):
        one, other = self.schema("1s"), self.schema("2s")
        self.assertEqual([f["expr"] for f in one["features"]], ["mid", "mid@spot", "mid@BTCUSDT.BINANCE-USDM"])
        self.assertEqual([p["instrument"] for p in one["peers"]], ["BTCUSDT.BINANCE-SPOT", "BTCUSDT.BINANCE-USDM"])
        self.assertEqual(one["peers"][0]["max_age_ns"], 10**9)
        self.assertNotEqual(one["hash"], other["hash"])

    def test_a_model_of_other_peers_is_refused(self):
        features = ["mid", "spread", "spread_bps", "microprice", "bid", "ask", "bid_qty", "ask_qty", "last", "cvd", "ask@spot",
                    "mid@spot"]
        text = "peers: [{{name: spot, instruments: [{}], max_age: {}}}]\n" + f"features: {json.dumps(features)}\n"
        folder = pathlib.Path(self.folder.name)
        self.rows(self.config(text.format("BTCUSDT.BINANCE-SPOT", "1s")), "--nan", "drop", "--out", folder / "rows.npy")
        run("model", "import", ROOT / "models" / "example-mlp.onnx", "--schema", folder / "rows.npy.schema.json", "--out",
            folder / "m.safetensors")
        rest = "models: [{name: m, file: m.safetensors}]\nstrategies: [{name: s, model: m, buy: \"score > 0\"}]\n"
        run("check", self.config(text.format("BTCUSDT.BINANCE-SPOT", "1s") + rest))
        for peer in (("BTCUSDT.BINANCE-SPOT", "3s"), ("BTCUSDT.BINANCE-USDM", "1s")):
            _, err = run("check", self.config(text.format(*peer) + rest), expect=2)
            self.assertIn('peer "spot" was trained as BTCUSDT.BINANCE-SPOT', err)


if __name__ == "__main__":
    main()
