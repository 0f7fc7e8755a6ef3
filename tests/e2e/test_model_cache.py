"""A model an instrument: the base answers until an instrument's own is there, places go to who ticks most, coming and
going are events that a replay obeys, and what is below memory may be damaged, away or killed without anybody noticing but
the counters."""
import hashlib
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, main, replay, run, wait_until
from ports import free_port
from test_control import Engine
from test_live import Exchange
from test_swap import FEATURES, THREE, Registry

REDIS = pathlib.Path("/usr/bin/redis-server")
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")


class Owns(Registry):
    """DIR/SYMBOL/lstm, version 1 of each symbol another; what Registry made are the files to copy, 1.safetensors the base."""

    def __init__(self, folder, symbols=SYMBOLS):
        super().__init__(folder)
        self.of = {}
        for i, symbol in enumerate(symbols):
            self.add(10 + i, 1.2 + 0.1 * i)
            self.put(symbol, 1, 10 + i)

    def put(self, symbol, version, source, told=True):
        place = self.dir / symbol / "lstm"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.path(source), place / f"{version}.safetensors")
        if told:
            (place / f"{version}.sha256").write_text(self.sha256(source) + "  x\n")
        self.of[symbol, version] = self.sha256(source)

    def sets(self, pattern="{symbol}", **cache):
        keys = ", ".join(f"{k}: {v}" for k, v in cache.items())
        return [f"features=[{', '.join(json.dumps(f) for f in FEATURES)}]",
                f"models=[{{name: lstm, file: {self.path(1)}, registry: \"{self.dir}/{pattern}\"}}]",
                f"model_cache={{{keys}}}",
                "strategies=[{name: flow, model: lstm, buy: 'score > 0.05', sell: 'score < -0.05', books: all}]"]

    def key(self, symbol):
        return f"{self.dir}/{symbol}/lstm"


def runs_of(decisions):
    """{symbol: [(model hash, path, from ingest_seq), ..]} where either changes."""
    runs = {}
    for d in decisions:
        mine = runs.setdefault(d["instrument"].split(".")[0], [])
        if not mine or mine[-1][:2] != (d["model_hash"], d["path"]):
            mine.append((d["model_hash"], d["path"], d["ingest_seq"]))
    return runs


class ModelCache(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tf-model-cache-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.owns = Owns(self.folder)

    def engine(self, exchange, *sets, **cache):
        return Engine(exchange, self.folder, *self.owns.sets(**cache), f"capture.path={self.folder}/capture", *sets)

    def cache(self, engine, *words, expect=0):
        return engine.ask("cache", *words, expect=expect)["model_cache"]

    def serving(self, engine):
        return {r["key"].split("/")[-2]: r for r in self.cache(engine)["models"] if r["holders"]}

    def evicted(self, engine, *symbols):
        return all(engine.ask("cache", "evict", self.owns.key(s), expect=None)["ok"] for s in symbols) and bool(symbols)

    def busy(self, engine, more=1500):
        goal = engine.ask("status")["decisions"] + more
        wait_until(lambda: engine.ask("status")["decisions"] > goal, what="decisions")

    def end(self, engine):
        engine.ask("drain")
        live = engine.end()
        self.assertEqual(live["ledger"]["residual"], 0)
        return live, engine.decisions()

    def replayed(self, *sets, models=None, **cache):
        journal = pathlib.Path(self.folder) / "again.journal"
        journal.unlink(missing_ok=True)
        base = self.owns.sets(**cache)
        if models:
            base[1] = models
        got = replay(f"{self.folder}/capture", config=str(ROOT / "configs" / "demo.yaml"), args=["--decisions", journal],
                     sets=[*base, *sets])[0]
        out, _ = run("tail", journal, "--json")
        return got, [json.loads(line) for line in out.splitlines()]

    def check_same(self, live, *sets, **cache):
        for lanes in ("engine.lanes=[{stages: all}]", THREE):
            again, _ = self.replayed(lanes, *sets, **cache)
            for key in ("decisions_hash", "events_hash", "decisions", "inference", "models"):
                self.assertEqual(again[key], live[key], (lanes, key))

    def check_own(self, *sets):
        with Exchange() as exchange, self.engine(exchange, *sets) as engine:
            wait_until(lambda: len(self.serving(engine)) == 3, what="three models")
            self.busy(engine, 4000)
            live, decisions = self.end(engine)
        self.assertEqual(live["events"]["control"], 3)
        base = self.owns.sha256(1)[:8]
        for symbol, runs in runs_of(decisions).items():
            own = self.owns.of[symbol, 1][:8]
            self.assertIn([(h, p) for h, p, _ in runs], ([(base, "fallback"), (own, "cpu")], [(own, "cpu")]), symbol)
        self.check_same(live)
        # From its first answer on it is as if it had been there all along: its window was made of the rows before.
        for symbol in SYMBOLS:
            path = pathlib.Path(self.folder) / "one.safetensors"
            shutil.copy(self.owns.dir / symbol / "lstm" / "1.safetensors", path)
            _, always = self.replayed(models=f"models=[{{name: lstm, file: {path}}}]")
            scores = {(d["ingest_seq"], d["instrument"]): d["score"] for d in always}
            mine = [d for d in decisions if d["model_hash"] == self.owns.of[symbol, 1][:8]]
            self.assertGreater(len(mine), 300, symbol)
            for d in mine:
                self.assertEqual(d["score"], scores[d["ingest_seq"], d["instrument"]], d)

    def test_each_instrument_comes_to_its_own_model(self):
        self.check_own()

    def test_the_same_with_the_lane_on_a_thread_of_its_own(self):
        self.check_own(THREE)

    def test_one_place_goes_round_by_hand_and_a_replay_follows(self):
        with Exchange() as exchange, self.engine(exchange, models_max=2) as engine:
            wait_until(lambda: len(self.serving(engine)) == 2, what="two models")
            while True:  # places go by rate: one may be gone before it is pinned
                one = next(iter(self.serving(engine)))
                self.cache(engine, "pin", self.owns.key(one))
                if one in self.serving(engine):
                    break
                self.cache(engine, "unpin", self.owns.key(one))
            wait_until(lambda: len(self.serving(engine)) == 2, what="two models, one pinned")
            two = next(s for s in self.serving(engine) if s != one)
            out = (set(SYMBOLS) - {one, two}).pop()
            self.assertIn("one place stays free", engine.ask("cache", "pin", self.owns.key(two), expect=1)["error"])
            self.assertIn("is pinned", engine.ask("cache", "evict", self.owns.key(one), expect=1)["error"])
            self.owns.put(two, 2, 3)
            self.busy(engine, 500)
            self.assertEqual(self.serving(engine)[one]["version"], 1)
            # The other place goes by rate: to the third, perhaps, in the meantime. What is evicted comes back at once, or the third does;
            # the base answers in between, if a tick comes then: five times are enough for one.
            for _ in range(5):
                wait_until(lambda: self.evicted(engine, *(set(self.serving(engine)) - {one})), what="an eviction")
                wait_until(lambda: len(self.serving(engine)) == 2, what="two models again")
                self.busy(engine, 200)
            self.assertIn(one, self.serving(engine))
            self.cache(engine, "unpin", self.owns.key(one))
            self.assertIn("is not loaded", engine.ask("cache", "evict", f"{self.owns.dir}/NOBODY/lstm", expect=2)["error"])
            last = json.loads(run("control", engine.socket, "cache", "--json")[0])["model_cache"]["request"]
            self.assertEqual((last["verb"], last["state"], last["code"]), ("evict", "refused", "E_CONTROL_REQUEST"))
            self.assertIn("NOBODY", engine.ask("cache", "warm", f"{self.owns.dir}/NOBODY/lstm", expect=1)["error"])
            self.assertIn("verb", engine.ask("cache", "drop", "x", expect=2)["error"])
            live, decisions = self.end(engine)
        self.assertGreaterEqual(live["events"]["control"], 12)  # two to begin with, and each eviction is gone and come
        runs = runs_of(decisions)
        self.assertIn(self.owns.sha256(1)[:8], {h for h, _, _ in runs[two][1:]} | {h for h, _, _ in runs[out][1:]})
        self.check_same(live, models_max=2)

    def test_ttl_brings_the_newer_version(self):
        with Exchange() as exchange, self.engine(exchange, ttl="1s") as engine:
            wait_until(lambda: len(self.serving(engine)) == 3, what="three models")
            self.owns.put("ETHUSDT", 2, 2)
            wait_until(lambda: self.serving(engine)["ETHUSDT"]["version"] == 2, what="version 2")
            self.busy(engine, 500)
            live, decisions = self.end(engine)
        self.assertEqual(runs_of(decisions)["ETHUSDT"][-1][0], self.owns.of["ETHUSDT", 2][:8])
        self.assertEqual(runs_of(decisions)["BTCUSDT"][-1][0], self.owns.of["BTCUSDT", 1][:8])
        self.check_same(live, ttl="1s")

    def test_restart_begins_with_the_base_and_the_rows_that_were_kept(self):
        snapshot = f"engine.snapshot={self.folder}/kept.snap"
        with Exchange() as exchange, self.engine(exchange, snapshot) as engine:
            wait_until(lambda: len(self.serving(engine)) == 3, what="three models")
            self.busy(engine, 500)
            self.end(engine)
        kept = pathlib.Path(f"{self.folder}/kept.snap").read_bytes()
        pathlib.Path(engine.journal).unlink()
        shutil.rmtree(f"{self.folder}/capture")
        with Exchange() as exchange, self.engine(exchange, snapshot) as engine:
            wait_until(lambda: len(self.serving(engine)) == 3, what="three models again")
            self.busy(engine, 500)
            live, decisions = self.end(engine)
        for symbol, runs in runs_of(decisions).items():
            self.assertEqual(runs[-1][:2], (self.owns.of[symbol, 1][:8], "cpu"))
        pathlib.Path(f"{self.folder}/kept.snap").write_bytes(kept)
        again, _ = self.replayed(snapshot)
        for key in ("decisions_hash", "events_hash", "decisions"):
            self.assertEqual(again[key], live[key], key)

    def test_instrument_without_a_model_or_with_one_that_does_not_fit_keeps_the_base(self):
        shutil.rmtree(self.owns.dir / "SOLUSDT")
        path = self.owns.dir / "ETHUSDT" / "lstm" / "1.safetensors"
        path.write_bytes(path.read_bytes()[:-4])
        with Exchange() as exchange, self.engine(exchange) as engine:
            wait_until(lambda: set(self.serving(engine)) == {"BTCUSDT"}, what="one model")
            self.busy(engine)
            self.assertGreaterEqual(self.cache(engine)["refused"], 2)
            level = next(l for l in self.cache(engine)["levels"] if l["level"] == "registry")
            self.assertGreaterEqual(level["damaged"], 1)  # it is not what the .sha256 beside it says
            live, decisions = self.end(engine)
        self.assertEqual({(h, p) for s in ("ETHUSDT", "SOLUSDT") for h, p, _ in runs_of(decisions)[s]},
                         {(self.owns.sha256(1)[:8], "fallback")})
        self.check_same(live)

    def test_a_store_that_hangs_holds_neither_the_socket_nor_the_answers(self):
        """The store takes connections and says nothing: what asks it waits as long as it is let, and nobody else does."""
        store = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(store.close)
        cache = {"compressed_bytes_max": "0B", "redis": f"redis://127.0.0.1:{store.getsockname()[1]}/0", "redis_timeout": "60s"}

        def ask(**request):  # as it comes, without the command's waiting
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(30)
                s.connect(engine.socket)
                s.sendall(json.dumps(request).encode() + b"\n")
                return json.loads(s.makefile().readline())

        with Exchange() as exchange, self.engine(exchange, **cache) as engine:
            held = store.accept()[0]  # somebody asks it: the first of the three models
            told = ask(command="cache", verb="warm", key=self.owns.key("SOLUSDT"))
            self.assertTrue(told["ok"], told)
            self.assertEqual(told["model_cache"]["request"]["state"], "working")
            again = ask(command="cache", verb="pin", key=self.owns.key("ETHUSDT"))
            self.assertEqual((again["ok"], again["code"]), (False, "E_MODEL_BUSY"))
            self.assertIn("warm", again["error"])
            self.busy(engine)
            self.assertEqual(ask(command="cache", verb="list")["model_cache"]["request"]["state"], "working")
            held.close()
            store.close()
            wait_until(lambda: self.cache(engine)["request"]["state"] == "done", what="the end of the request")
            wait_until(lambda: len(self.serving(engine)) == 3, what="three models, without the store")
            self.end(engine)

    def test_levels_below_serve_survive_damage_and_the_death_of_redis(self):
        if not REDIS.exists():
            self.skipTest("no /usr/bin/redis-server (Debian's package redis-server)")
        port = free_port()
        redis = subprocess.Popen([REDIS, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
                                 stdout=subprocess.DEVNULL)
        self.addCleanup(redis.kill)

        def listens():
            try:
                return socket.create_connection(("127.0.0.1", port), 1).close() or True
            except OSError:
                return False
        wait_until(listens, what="redis")
        cache = {"compressed_bytes_max": "0B", "dir": f"{self.folder}/below", "redis": f"redis://127.0.0.1:{port}/0"}
        with Exchange() as exchange, self.engine(exchange, **cache) as engine:
            wait_until(lambda: len(self.serving(engine)) == 3, what="three models")
            for symbol in SYMBOLS:
                self.cache(engine, "evict", self.owns.key(symbol))
            engine.ask("drain")
            engine.end()
        pathlib.Path(engine.journal).unlink()
        shutil.rmtree(f"{self.folder}/capture")
        stored = sorted(pathlib.Path(f"{self.folder}/below").iterdir())
        self.assertEqual(len(stored), 3)
        stored[0].write_bytes(stored[0].read_bytes()[:-1] + b"x")
        with Exchange() as exchange, self.engine(exchange, **cache) as engine:  # the registry is not read for these
            wait_until(lambda: len(self.serving(engine)) == 3, what="three models")
            levels = {l["level"]: l for l in self.cache(engine)["levels"]}
            self.assertEqual(levels["registry"]["hits"], 0, levels)
            self.assertEqual((levels["dir"]["hits"], levels["redis"]["hits"], levels["dir"]["damaged"]), (2, 1, 1), levels)
            redis.send_signal(signal.SIGKILL)
            redis.wait()
            self.owns.put("BTCUSDT", 2, 2)
            for symbol in ("BTCUSDT", "ETHUSDT"):
                self.cache(engine, "evict", self.owns.key(symbol))
            wait_until(lambda: len(s := self.serving(engine)) == 3 and s["BTCUSDT"]["version"] == 2, what="three models again")
            self.busy(engine, 500)
            levels = {l["level"]: l for l in self.cache(engine)["levels"]}
            self.assertGreaterEqual(levels["redis"]["failed"], 1, levels)
            self.assertEqual(levels["registry"]["hits"], 1, levels)  # of the version that no level had
            _, decisions = self.end(engine)
        for symbol, runs in runs_of(decisions).items():
            self.assertEqual(runs[-1][1], "cpu", symbol)


if __name__ == "__main__":
    main()
