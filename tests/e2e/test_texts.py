"""Texts in the pipeline: heard by a feed, read by a model, an event each, which features and rules read. A replay of the texts
reads them in place and decides the same whatever its pace and threads."""
import hashlib
import json
import pathlib
import socket
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from desk import LONG_S, Desk
from harness import Background, main, run, wait_until
from ports import free_port
from text_parts import LABELS, TEXT, WIDTH, import_classifier, import_embedder, import_model, write_parts

GOOD, BAD, PLAIN = "Company beats guidance; record profit!", "Exchange hacked, trading network outage", "Fed market report on bitcoin"
CONFIG = """
engine: {{profile: standard, lanes: {lanes}}}
feeds:
  - {{name: desk, venue: events, instruments: [BTC.DESK, ETH.DESK]}}
features: [text_score, text_confidence, text_novelty, text_label, text_age, "text_count(60s)", "text_score_ema(60s)", mid]
texts: {{{texts}}}
strategies:
  - {{name: news, books: [none, ok], buy: "text_score > 0.5", sell: "text_score < -0.5"}}
"""
LIVE = """
engine: {{idle: sleep, lanes: {lanes}}}
feeds:
  - {{name: desk, venue: events, listen: "127.0.0.1:0", token_file: {at}/token, instruments: [BTC.DESK, ETH.DESK], rate_max: 0}}
features: [text_score, text_novelty, "text_count(60s)"]
texts: {{classifier: {{file: {at}/live.safetensors}}, queue: 16, deadline: 1h}}
capture: {{path: {at}/capture, flush: 10ms}}
control: {{path: {at}/control/socket}}
strategies:
  - {{name: news, books: all, buy: "text_score > 0.5", sell: "text_score < -0.5"}}
sinks: [{sinks}]
"""
ONE, THREE = "[{stages: all}]", "[{stages: [acquire]}, {stages: [buffer, compute, decide]}, {stages: [emit]}]"


class Live(Desk):
    """One that hears texts, with a model's file of its own."""

    def __init__(self, folder, model, lanes, sinks=('{type: "null"}',)):
        self.model = pathlib.Path(folder, "live.safetensors")
        self.model.write_bytes(model.read_bytes())
        super().__init__(folder, LIVE.format(lanes=lanes, at=folder, sinks=", ".join(sinks)))

    def post_lines(self, lines):
        status, said = self.post("\n".join(lines) + "\n")
        assert status == 200, said

    def texts(self):
        out, _ = run("control", self.folder / "control/socket", "status", "--json")
        return json.loads(out)["texts"]

    def replay(self):
        """Of what it captured, with the model gone."""
        self.model.unlink()
        out, _ = run("replay", self.config, "--json", "--input", self.folder / "capture")
        return json.loads(out)


def text(name, words, number, **more):
    return json.dumps({"instrument": name, "kind": "text", "text": words, "id": str(number), "source": "wire", **more})


def quote(name, cents):
    price = f"{cents // 100}.{cents % 100:02d}"
    return json.dumps({"instrument": name, "kind": "quote", "bid_price": price, "bid_qty": "1", "ask_price": price, "ask_qty": "2"})


def script():
    lines = [quote("BTC.DESK", 10000), quote("ETH.DESK", 500)]
    for n in range(40):
        lines.append(text("BTC.DESK" if n % 3 else "ETH.DESK", (GOOD, BAD, PLAIN)[n % 7 % 3], n))
        lines.append(quote("BTC.DESK", 10000 + n))
    return lines


class Texts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.at = pathlib.Path(cls.folder.name)
        cls.model = cls.at / "news.safetensors"
        import_model(cls.model, "--labels", LABELS)
        cls.classifier, cls.embedder = cls.at / "classifier.safetensors", cls.at / "embedder.safetensors"
        parts = cls.at / "parts.onnx"
        write_parts(parts)
        import_classifier(cls.classifier, parts)
        import_embedder(cls.embedder, parts)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def config(self, lanes=ONE, model=None, embedder=None):
        path = self.at / "config.yaml"
        texts = f"classifier: {{file: {model or self.model}}}" + (f", embedder: {{file: {embedder}}}" if embedder else "")
        path.write_text(CONFIG.format(lanes=lanes, texts=texts))
        return path

    def lines(self, lines):
        path = self.at / "in.jsonl"
        path.write_text("\n".join(lines) + "\n")
        return f"events:{path}"

    def replay(self, lines, lanes=ONE, args=()):
        out, _ = run("replay", self.config(lanes), "--json", "--input", self.lines(lines), *args)
        done = json.loads(out)
        self.assertEqual(done["ledger"]["residual"], 0)
        return done

    def test_a_text_becomes_a_score_that_a_rule_decides_on(self):
        done = self.replay([text("BTC.DESK", BAD, 1), text("BTC.DESK", GOOD, 2), text("BTC.DESK", PLAIN, 3)])
        self.assertEqual(done["events"]["text"], 3)
        self.assertEqual((done["actions"]["sell"], done["actions"]["buy"], done["actions"]["hold"]), (1, 1, 1))
        self.assertEqual((done["texts"]["heard"], done["texts"]["answered"], done["texts"]["missed"]), (3, 3, {}))

    def test_a_replay_is_the_same_at_any_pace_and_on_any_threads(self):
        runs = [self.replay(script(), lanes, args) for lanes in (ONE, THREE) for args in ((), ("--speed", "100x"))]
        self.assertEqual(len({done["events_hash"] for done in runs}), 1)
        self.assertEqual(len({done["decisions_hash"] for done in runs}), 1)
        self.assertEqual(runs[0]["texts"]["answered"], 40)

    def check_live(self, live):
        done, again = live.finish(), live.replay()
        texts = done["texts"]
        self.assertEqual((done["ledger"]["residual"], again["ledger"]["residual"]), (0, 0))
        self.assertEqual(texts["heard"], texts["answered"] + sum(texts["missed"].values()))
        self.assertEqual(done["events"]["text"], texts["heard"])
        for key in ("messages", "events", "events_hash", "decisions", "decisions_hash"):
            self.assertEqual(again[key], done[key], key)
        return done

    def test_texts_that_are_posted_are_answered_and_the_capture_replays_without_the_model(self):
        for lanes in (ONE, THREE):
            with tempfile.TemporaryDirectory() as folder, Live(folder, self.model, lanes) as live:
                for n, words in enumerate((BAD, GOOD, PLAIN, GOOD)):
                    live.post_lines([text("BTC.DESK", words, n), quote("ETH.DESK", 500 + n)])
                    wait_until(lambda: live.texts()["answered"] > n, LONG_S, "an answer")
                done = self.check_live(live)
                self.assertEqual(done["texts"]["answered"], 4)
                self.assertGreaterEqual(done["actions"]["buy"], 2)

    def test_readers_of_every_kind_learn_what_a_label_is_called(self):
        """Lines by themselves; of records a listener's client and one of datagrams by the names that come beside them."""
        datagrams = f"udp://127.0.0.1:{free_port()}"
        with tempfile.TemporaryDirectory() as folder, Live(folder, self.model, ONE, sinks=(
                f'{{type: unix, name: records, path: {folder}/s/records, carries: events}}',
                f'{{type: unix, name: lines, path: {folder}/s/lines, carries: events, format: json}}',
                f'{{type: udp, url: "{datagrams}", carries: events}}')) as live:
            tails = {"lines": self.lines_of(f"{folder}/s/lines")}
            for name, source in (("records", f"unix:{folder}/s/records"), ("datagrams", datagrams)):
                tail = Background("tail", source, "--carries", "events", "--json", "--oldest", "--follow")
                self.addCleanup(tail.__exit__)
                tails[name] = tail.process.stdout
            for n, words in enumerate((BAD, PLAIN, GOOD) * 20):
                live.post_lines([text("BTC.DESK", words, n)])
                wait_until(lambda: live.texts()["answered"] > n, LONG_S, "an answer")
                if n == 2:
                    told = {name: self.texts_of(tails[name], 3) for name in ("records", "lines")}
            self.assertEqual(told["lines"], told["records"])
            self.assertEqual([e["label_name"] for e in told["lines"]], ["negative", "neutral", "positive"])
            self.assertEqual([e["label"] for e in told["lines"]], [0, 1, 2])
            heard, number = [], 60
            threading.Thread(target=lambda: [heard.append(line) for line in tails["datagrams"]], daemon=True).start()
            while not any("label_name" in line for line in heard):
                time.sleep(4)  # the words come with a heartbeat of a second, and so when nothing else does
                live.post_lines([text("BTC.DESK", GOOD, number)])
                number += 1
            named = next(json.loads(line) for line in heard if "label_name" in line)
            self.assertEqual((named["label"], named["label_name"]), (2, "positive"))
            done = live.finish()
        self.assertEqual(done["ledger"]["residual"], 0)

    def lines_of(self, path):
        """A listener's lines from the oldest on."""
        s = socket.socket(socket.AF_UNIX)
        self.addCleanup(s.close)
        s.connect(path)
        s.sendall(b'{"type":"hello","resume_from":"oldest"}\n')
        file = s.makefile()
        self.addCleanup(file.close)
        return file

    @staticmethod
    def texts_of(file, cnt):
        got = []
        while len(got) < cnt:
            event = json.loads(file.readline())
            got += [event] if event.get("kind") == "text" else []
        return got

    def test_a_captures_labels_are_named_where_the_model_is_at_hand(self):
        with tempfile.TemporaryDirectory() as folder, Live(folder, self.model, ONE) as live:
            live.post_lines([text("BTC.DESK", GOOD, 1)])
            wait_until(lambda: live.texts()["answered"] == 1, LONG_S, "an answer")
            live.finish()
            config = live.config.read_text().replace('sinks: [{type: "null"}]', "sinks: [{type: stdout, carries: events, format: json}]")
            live.config.write_text(config)

            def names():
                out, _ = run("replay", live.config, "--input", live.folder / "capture")
                texts = [json.loads(line) for line in out.splitlines() if '"kind":"text"' in line]
                return [event.get("label_name") for event in texts]

            self.assertEqual(names(), ["positive"])
            live.model.unlink()
            self.assertEqual(names(), [None])

    def test_more_texts_than_may_wait_and_a_stop_among_them_balance(self):
        with tempfile.TemporaryDirectory() as folder, Live(folder, self.model, THREE) as live:
            lines = [text("ETH.DESK" if n % 3 else "BTC.DESK", f"{GOOD} {BAD} {n}", n) for n in range(300)]
            live.post_lines(lines)
            done = self.check_live(live)
            self.assertEqual(done["texts"]["heard"] + done["ignored"].get("text_full", 0), 300)

    def test_features_say_what_a_text_said(self):
        rows = self.at / "rows.csv"
        run("features", "eval", self.config(), "--input", self.lines(
            [text("BTC.DESK", BAD, 1), text("BTC.DESK", GOOD, 2), text("BTC.DESK", GOOD, 3), text("ETH.DESK", GOOD, 4)]), "--out", rows)
        head, *rows = [line.split(",") for line in rows.read_text().splitlines()]
        at = {name.split("(")[0]: i for i, name in enumerate(head)}
        self.assertEqual([row[at["text_label"]] for row in rows], ["0", "2", "2", "2"])
        self.assertEqual([float(row[at["text_novelty"]]) for row in rows][::2], [1, 0])
        self.assertEqual(float(rows[3][at["text_novelty"]]), 1)  # the first of its instrument
        self.assertEqual([row[at["text_count"]] for row in rows], ["1", "2", "3", "1"])

    def events(self, lines, model, embedder=None, args=()):
        """What a replay of the lines puts into its stream, but for quotes, and its summary."""
        config = self.config(model=model, embedder=embedder)
        config.write_text(config.read_text() + "sinks: [{type: stdout, carries: events, format: json}]\n")
        out, _ = run("replay", config, "--json", "--input", self.lines(lines), *args)
        told, summary = out.split("{\n", 1)
        done = json.loads("{" + summary)
        self.assertEqual(done["ledger"]["residual"], 0)
        return [e for e in map(json.loads, told.splitlines()) if e["kind"] in ("text", "control")], done

    def test_a_classifier_and_an_embedder_say_what_one_model_of_both_does(self):
        both, _ = self.events(script(), self.model)
        pair, done = self.events(script(), self.classifier, self.embedder)
        swap, *pair = pair
        hashes = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.model, self.classifier, self.embedder)}
        self.assertEqual((swap["kind"], swap["command"]), ("control", "swap"))
        self.assertEqual(swap["words"][0] >> 32, int.from_bytes(bytes.fromhex(hashes[self.embedder])[:4], "little"))
        self.assertEqual({e["model_hash"] for e in pair}, {hashes[self.classifier][:8]})
        said = ("instrument", "id", "source", "score", "confidence", "novelty", "label")
        self.assertEqual([[e[key] for key in said] for e in both], [[e[key] for key in said] for e in pair])
        self.assertGreater(len({e["novelty"] for e in pair}), 3)
        texts = done["texts"]
        self.assertEqual((texts["classifier"]["sha256"], texts["embedder"]["sha256"]), (hashes[self.classifier], hashes[self.embedder]))
        self.assertEqual((texts["classifier"]["labels"], texts["embedder"]["embedding"]), (["negative", "neutral", "positive"], WIDTH))
        for args in ((), ("--speed", "100x")):
            again, _ = self.events(script(), self.classifier, self.embedder, args)
            self.assertEqual([e.get("novelty") for e in again[1:]], [e["novelty"] for e in pair])

    def test_a_classifier_alone_says_nothing_of_what_is_new(self):
        events, _ = self.events([text("BTC.DESK", GOOD, 1)] * 2, self.classifier)
        self.assertEqual([e["novelty"] for e in events], [None, None])
        rows = self.at / "rows.csv"
        again = self.lines([json.dumps({"instrument": "BTC.DESK", **{k: e[k] for k in ("kind", "score", "confidence", "novelty", "label",
                                                                                          "model_hash")}}) for e in events])
        run("features", "eval", self.config(), "--input", again, "--out", rows)  # as events that another engine made
        head, *rows = [line.split(",") for line in rows.read_text().splitlines()]
        self.assertEqual([(row[head.index("text_label")], row[head.index("text_novelty")]) for row in rows], [("2", ""), ("2", "")])

    def test_a_model_in_a_role_that_it_is_not_for_is_refused(self):
        for model, embedder, said in ((self.embedder, None, "texts.embedder"), (self.model, self.classifier, "texts.classifier")):
            _, err = run("check", self.config(model=model, embedder=embedder), expect=None)
            self.assertIn(f"for {said}", err)

    def test_a_file_keeps_the_precision_that_it_was_imported_in(self):
        out = self.at / "int8.safetensors"
        told, _ = import_model(out, "--labels", LABELS, "--precision", "int8")
        self.assertIn("in int8,", told)
        self.assertLess(out.stat().st_size, 0.7 * self.model.stat().st_size)
        events, _ = self.events(script(), self.classifier, out)
        joint, _ = self.events(script(), self.classifier, self.model)
        self.assertGreater(len({e["novelty"] for e in events[1:]}), 3)
        self.assertNotEqual([e["novelty"] for e in events[1:]], [e["novelty"] for e in joint[1:]])

    def test_an_embedding_may_be_as_wide_as_1024(self):
        wide, out = self.at / "wide.onnx", self.at / "wide.safetensors"
        write_parts(wide, 1024 // WIDTH)
        told, _ = import_embedder(out, wide, lengths="16")
        self.assertIn("embedding of 1024,", told)
        events, _ = self.events(script(), self.classifier, out)
        joint, _ = self.events(script(), self.model)
        for one, other in zip(events[1:], joint, strict=True):  # the same angles
            self.assertAlmostEqual(one["novelty"], other["novelty"], 5)
        write_parts(wide, 1024 // WIDTH + 1)
        _, err = import_embedder(out, wide, lengths="16", expect=None)
        self.assertIn("at most 1024", err)

    def test_without_a_model_texts_are_ignored_and_counted(self):
        config = self.config()
        config.write_text("".join(line for line in config.read_text().splitlines(True) if not line.startswith("texts:")))
        out, _ = run("replay", config, "--json", "--input", self.lines([text("BTC.DESK", GOOD, 1)]))
        done = json.loads(out)
        self.assertEqual((done["ignored"], done["events"]["text"], done["ledger"]["residual"]), ({"text": 1}, 0, 0))

    def test_explain_reads_texts_as_the_run_did(self):
        source = self.lines([text("BTC.DESK", BAD, 1), text("BTC.DESK", GOOD, 2)])
        out, _ = run("explain", "2", "--config", self.config(), "--input", source, "--json")
        told = json.loads(out)
        self.assertEqual(told["decision"]["action"], "BUY")
        self.assertEqual((told["cause"]["event"]["label"], told["cause"]["event"]["label_name"]), (2, "positive"))
        self.assertEqual([f["label_name"] for f in told["features"] if f["feature"] == "text_label"], ["positive"])

    def test_a_file_that_is_no_texts_model_is_refused_by_name(self):
        wrong = self.at / "wrong.safetensors"
        wrong.write_bytes(self.model.read_bytes()[:-100])
        for path, said in ((wrong, "wrong.safetensors"), (TEXT / "news.onnx", "news.onnx"), ("models/example-lstm.safetensors", "tickfuse-texts")):
            _, err = run("check", self.config(model=path), expect=None)
            self.assertIn(said, err)
        _, err = import_model(wrong, "--labels", "a:1,b:0", expect=None)
        self.assertIn("softmax", err)


if __name__ == "__main__":
    main()
