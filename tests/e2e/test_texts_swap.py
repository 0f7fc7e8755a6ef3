"""The model of texts swapped while texts come: the event stands between the last answer of the old version and the first of the new
one, what does not fit is refused while the old one reads on, and a replay of the capture decides the same without any of them."""
import hashlib
import json
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from desk import LONG_S, Desk
from harness import main, metrics_at, run, wait_until
from ports import free_port
from text_parts import LABELS, import_classifier, import_embedder, import_model, write_parts

GOOD = "Company beats guidance; record profit!"
CONFIG = """
engine: {{idle: sleep}}
feeds:
  - {{name: desk, venue: events, listen: "127.0.0.1:0", token_file: {at}/token, instruments: [BTC.DESK], rate_max: 0}}
features: [text_score, text_label]
texts: {{deadline: 1h, classifier: {{registry: {at}/models, name: news, version: 1}}}}
capture: {{path: {at}/capture, flush: 10ms}}
control: {{path: {at}/control/socket}}
strategies:
  - {{name: news, books: all, buy: "text_score > 0.5", sell: "text_score < -0.5"}}
sinks: [{{type: "null"}}]
"""


class Versions(unittest.TestCase):
    """A desk whose models of texts are of a registry; the classifier is called news."""

    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.TemporaryDirectory()
        cls.files = {}
        cls.make(pathlib.Path(cls.made.name))

    @classmethod
    def tearDownClass(cls):
        cls.made.cleanup()

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="tf-texts-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.add(1, self.files["first"].read_bytes())
        self.sent = 0

    def add(self, version, content, name="news"):
        path = self.folder / f"models/{name}/{version}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def ask(self, *words, expect=0):
        out, err = run("control", self.folder / "control/socket", *words, "--json", expect=expect)
        return json.loads(out or err)

    def model(self, *words, expect=0, name="news"):
        return next(row for row in self.ask("model", *words, expect=expect)["models"] if row["name"] == name)

    def post(self, desk, cnt=1):
        """So many texts, answered."""
        self.sent += cnt
        line = json.dumps({"instrument": "BTC.DESK", "kind": "text", "text": GOOD})
        self.assertEqual(desk.post("\n".join([line] * cnt) + "\n")[0], 200)
        wait_until(lambda: self.ask("status")["texts"]["answered"] == self.sent, LONG_S, "answers")

    def finish(self, desk):
        """The run's summary; a replay without models decides the same. And the capture's events of texts and swaps, in order."""
        done = desk.finish()
        for path in self.folder.glob("models/*/*"):
            path.unlink()
        out, _ = run("replay", desk.config, "--json", "--input", self.folder / "capture")
        again = json.loads(out)
        self.assertEqual((done["ledger"]["residual"], again["ledger"]["residual"]), (0, 0))
        for key in ("messages", "events", "events_hash", "decisions", "decisions_hash"):
            self.assertEqual(again[key], done[key], key)
        lines = self.folder / "events.jsonl"
        run("tape", "convert", self.folder / "capture", "--out", lines)
        events = [json.loads(line) for line in lines.read_text().splitlines()]
        return done, [e for e in events if e["kind"] == "text" or e.get("command") == "swap"]


class Swap(Versions):
    @classmethod
    def make(cls, folder):
        for name, labels, lengths in (("first", LABELS, "16,32"), ("second", LABELS.replace(":1", ":0.8"), "16,32"),
                                      ("other", "bad:-1,neutral:0,positive:1", "16")):
            cls.files[name] = folder / f"{name}.safetensors"
            import_model(cls.files[name], "--labels", labels, lengths=lengths)

    def test_a_swap_stands_between_the_answers_of_both_and_the_capture_replays(self):
        self.add(2, self.files["second"].read_bytes())
        with Desk(self.folder, CONFIG.format(at=self.folder)) as desk:
            self.post(desk, 3)
            self.assertEqual(self.model("list")["version"], 1)
            row = self.model("swap", "news", 2)
            self.assertEqual((row["version"], row["previous"], row["swaps"], row["state"]), (2, 1, 1, "idle"))
            self.post(desk, 2)
            row = self.model("rollback", "news")
            self.assertEqual((row["version"], row["swaps"], row["rollbacks"]), (1, 2, 1))
            self.post(desk)
            done, events = self.finish(desk)
        self.assertEqual([e["kind"] for e in events], ["text"] * 3 + ["control"] + ["text"] * 2 + ["control", "text"])
        first, second = {e["model_hash"] for e in events[:3]}, {e["model_hash"] for e in events[4:6]}
        self.assertEqual((len(first | second), len(first), len(second)), (2, 1, 1))
        self.assertEqual({events[7]["model_hash"]}, first)
        self.assertEqual([e["words"][1] for e in events if e["kind"] == "control"], [2, 1])  # versions
        self.assertGreater(events[0]["score"], events[4]["score"])  # of other weights
        self.assertEqual((done["texts"]["classifier"]["version"], done["texts"]["classifier"]["swaps"]), (1, 2))

    def test_a_restart_goes_on_with_the_version_that_read(self):
        self.add(2, self.files["second"].read_bytes())
        config = CONFIG.format(at=self.folder).replace("engine: {idle: sleep}", f"engine: {{idle: sleep, snapshot: {self.folder}/s.snap}}")
        config = config.replace(f"capture: {{path: {self.folder}/capture, flush: 10ms}}\n", "")
        with Desk(self.folder, config) as desk:
            self.post(desk)
            self.assertEqual(self.model("swap", "news", 2)["version"], 2)
            self.assertEqual(desk.finish()["ledger"]["residual"], 0)

        def begins_with(config):
            self.sent = 0
            with Desk(self.folder, config) as desk:
                version = self.model("list")["version"]
                self.post(desk)
                done = desk.finish()
                self.assertEqual((done["ledger"]["residual"], done["texts"]["classifier"]["version"]), (0, version))
                return version, desk.said()

        self.assertEqual(begins_with(config)[0], 2)
        self.assertEqual(begins_with(config)[0], 2)  # of the snapshot of an engine that swapped nothing
        kept = (self.folder / "s.snap").read_bytes()
        pin = hashlib.sha256(self.files["first"].read_bytes()).hexdigest()
        self.assertEqual(begins_with(config.replace("version: 1}", f'version: 1, sha256: "{pin}"}}'))[0], 1)
        for damage in (self.files["other"].read_bytes(), self.files["second"].read_bytes()[:-100]):
            (self.folder / "s.snap").write_bytes(kept)
            self.add(2, damage)
            version, said = begins_with(config)
            self.assertEqual(version, 1)
            self.assertIn("texts_not_resumed", said)

    def test_what_does_not_fit_is_refused_while_the_old_version_reads(self):
        good = self.files["second"].read_bytes()
        self.add(2, good[:-100])
        self.add(3, self.files["other"].read_bytes())
        self.add(4, good)
        with Desk(self.folder, CONFIG.format(at=self.folder)) as desk:
            for words, said in ((("swap", "news", 2), "E_MODEL_FORMAT"), (("swap", "news", 3), "E_MODEL_SCHEMA"),
                                (("swap", "news", 9), "E_MODEL_VERSION"), (("swap", "news", 1), "E_MODEL_VERSION"),
                                (("swap", "news", 4, "--sha256", "0" * 64), "E_MODEL_PIN")):
                row = self.model(*words, expect=1)
                self.assertEqual((row["refusal"], row["version"]), (said, 1))
                self.post(desk)
            self.assertEqual(self.ask("model", "rollback", "news", expect=None)["code"], "E_CONTROL_REQUEST")
            self.assertEqual(self.ask("model", "canary", "news", 4, expect=None)["code"], "E_CONTROL_REQUEST")
            self.assertEqual(self.ask("model", "swap", "gone", 4, expect=None)["code"], "E_CONTROL_REQUEST")
            self.assertEqual(self.model("list")["refused"], 5)
            self.assertEqual(self.model("swap", "news")["version"], 4)  # the newest
            self.post(desk)
            done, events = self.finish(desk)
        self.assertEqual([e["kind"] for e in events], ["text"] * 5 + ["control", "text"])
        self.assertEqual(done["texts"]["missed"], {})


class Pair(Versions):
    """A classifier and an embedder, each with versions of its own."""

    @classmethod
    def make(cls, folder):
        parts = folder / "parts.onnx"
        write_parts(parts)
        cls.files = {name: folder / f"{name}.safetensors" for name in ("first", "second", "one", "two", "wide", "both")}
        import_classifier(cls.files["first"], parts, lengths="16")
        import_classifier(cls.files["second"], parts, labels=LABELS.replace(":1", ":0.8"), lengths="16")
        import_embedder(cls.files["one"], parts, lengths="16")
        import_embedder(cls.files["two"], parts, lengths="16,32")
        import_model(cls.files["both"], "--labels", LABELS, lengths="16")  # its embedding is as wide
        write_parts(parts, 2)
        import_embedder(cls.files["wide"], parts, lengths="16")

    def setUp(self):
        super().setUp()
        self.add(1, self.files["one"].read_bytes(), "space")

    def config(self):
        embedder = f"embedder: {{registry: {self.folder}/models, name: space, version: 1}}"
        return CONFIG.format(at=self.folder).replace("version: 1}", f"version: 1}}, {embedder}")

    def test_either_is_swapped_and_rolled_back_by_itself(self):
        self.add(2, self.files["second"].read_bytes())
        self.add(2, self.files["two"].read_bytes(), "space")
        self.add(3, self.files["both"].read_bytes(), "space")
        port = free_port()
        with Desk(self.folder, self.config(), f"http.listen=127.0.0.1:{port}") as desk:
            self.post(desk, 2)
            self.assertEqual([(row["name"], row["role"], row["version"]) for row in self.ask("model", "list")["models"]],
                             [("news", "classifier", 1), ("space", "embedder", 1)])
            self.assertEqual(self.model("swap", "space", 2, name="space")["version"], 2)
            self.assertEqual(self.model("list")["version"], 1)
            self.post(desk, 2)
            self.assertEqual(self.model("swap", "news", 2)["version"], 2)
            self.post(desk)
            self.assertEqual(self.model("swap", "space", name="space")["version"], 3)  # its labels are not looked at
            self.post(desk)
            self.assertEqual(self.model("rollback", "space", name="space")["version"], 2)
            self.post(desk)
            wait_until(lambda: [metrics_at(port)["tickfuse_texts_version", role] for role in ("classifier", "embedder")] == [2, 2], LONG_S,
                       "the versions' metrics")
            done, events = self.finish(desk)
        first, *events = events
        self.assertEqual(first["command"], "swap")  # what reads at first
        self.assertEqual([e["words"][1] for e in [first] + events if e["kind"] == "control"], [1, 2, 2, 3, 2])
        said = ["".join(str(round(e["novelty"])) if e["kind"] == "text" else "|" for e in events)]
        self.assertEqual(said, ["10|10|0|1|1"])  # what is new begins anew with an embedder's version alone
        hashes = [e["model_hash"] for e in events if e["kind"] == "text"]
        self.assertEqual((len(set(hashes[:4])), len(set(hashes[4:])), len(set(hashes))), (1, 1, 2))
        self.assertEqual((done["texts"]["classifier"]["version"], done["texts"]["embedder"]["version"], done["texts"]["embedder"]["swaps"]), (2, 2, 3))

    def test_what_is_not_its_role_is_refused(self):
        self.add(2, self.files["one"].read_bytes())
        self.add(2, self.files["second"].read_bytes(), "space")
        self.add(3, self.files["wide"].read_bytes(), "space")
        with Desk(self.folder, self.config()) as desk:
            for words, name in ((("swap", "news", 2), "news"), (("swap", "space", 2), "space"), (("swap", "space", 3), "space")):
                row = self.model(*words, expect=1, name=name)
                self.assertEqual((row["refusal"], row["version"]), ("E_MODEL_SCHEMA", 1))
                self.post(desk)
            done, events = self.finish(desk)
        self.assertEqual([e["kind"] for e in events], ["control"] + ["text"] * 3)
        self.assertEqual(done["texts"]["missed"], {})

    def test_a_restart_goes_on_with_the_versions_that_read(self):
        self.add(2, self.files["second"].read_bytes())
        self.add(2, self.files["two"].read_bytes(), "space")
        config = self.config().replace("engine: {idle: sleep}", f"engine: {{idle: sleep, snapshot: {self.folder}/s.snap}}")
        config = config.replace(f"capture: {{path: {self.folder}/capture, flush: 10ms}}\n", "")
        for versions in ((1, 1), (1, 2), (2, 2)):
            with Desk(self.folder, config) as desk:
                self.sent = 0
                for name, version in zip(("news", "space"), versions):
                    if self.model("list", name=name)["version"] != version:
                        self.model("swap", name, version, name=name)
                self.post(desk)
                self.assertEqual(desk.finish()["ledger"]["residual"], 0)
            with Desk(self.folder, config) as desk:
                self.sent = 0
                self.post(desk)
                done = desk.finish()
                self.assertEqual((done["texts"]["classifier"]["version"], done["texts"]["embedder"]["version"]), versions)
                self.assertEqual(done["ledger"]["residual"], 0)


if __name__ == "__main__":
    main()
