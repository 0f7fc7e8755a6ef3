"""The Python package: its dtypes against what the compiler and the binary say, its reading against a listener of our own."""
import ctypes
import gc
import json
import os
import pathlib
import re
import select
import subprocess
import sys
import tempfile
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tools/python"), str(ROOT / "tests/tools/client"), str(ROOT / "tests/e2e")]

import numpy as np  # noqa: E402

import frames  # noqa: E402
import tickfuse  # noqa: E402
from harness import REPLAY_CONFIG, SMALL, Background, run, shm_name  # noqa: E402
from tickfuse import _library  # noqa: E402

MADE = f"binance-usdm:{SMALL / 'binance_usdm_made.txt'}"
STRATEGY = 'strategies=[{name: flow, buy: "ofi(1s) > 0", sell: "ofi(1s) < 0", books: all}]'


def journal(folder):
    """Of a replay; returns its path and what `tail --json` says of it, which reads it in C."""
    path = os.path.join(folder, "out.journal")
    run("replay", REPLAY_CONFIG, "--input", MADE, "--decisions", path, "--set", f"sinks.0.path={shm_name()}", "--set", STRATEGY)
    return path, [json.loads(line) for line in run("tail", path, "--json")[0].splitlines()]


class Layouts(unittest.TestCase):
    def test_every_field_lies_where_the_compiler_puts_it(self):
        tails = {"TRADE": "trade", "QUOTE": "quote", "BOOK": "level", "TICKER": "ticker", "STATUS": "status"}
        pairs = [("tf_decision_t", tickfuse.DECISION, {}), ("tf_feature_record_t", tickfuse.feature_record(0), {})]
        for kind, member in tails.items():
            dtype = tickfuse.of_kind(np.zeros(0, tickfuse.EVENT), tickfuse.EventKind[kind]).dtype
            pairs.append(("tf_event_t", dtype, {name: f"u.{member}.{name}" for name in dtype.names[8:]}))
        self.assertEqual(tickfuse.EVENT.names[:8], pairs[-1][1].names[:8])
        self.assertEqual([tickfuse.EVENT.fields[f"word_{i}"][1] for i in range(4)], [32, 40, 48, 56])
        structs = [("tf_client_options_t", _library.Options), ("tf_client_message_t", _library.MessageStruct),
                   ("tf_client_counts_t", _library.CountsStruct), ("tf_client_tape_info_t", _library.TapeInfo)]
        lines, wanted = [], []
        for struct, dtype, places in pairs:
            lines.append(f"sizeof({struct})")
            wanted.append(dtype.itemsize)
            for name in dtype.names:
                field = f"(({struct} *)0)->{places.get(name, name)}"
                lines += [f"offsetof({struct}, {places.get(name, name)})", f"sizeof({field})"]
                wanted += [dtype.fields[name][1], dtype.fields[name][0].itemsize]
        for struct, mine in structs:
            lines.append(f"sizeof({struct})")
            wanted.append(ctypes.sizeof(mine))
            for name, *_ in mine._fields_:
                lines.append(f"offsetof({struct}, {name})")
                wanted.append(getattr(mine, name).offset)
        source = '#include "client/tickfuse_client.h"\n#include "tf/record.h"\nint main(void) {\n'
        source += "".join(f'printf("%zu\\n", (size_t)({line}));\n' for line in lines) + "return 0;}\n"
        with tempfile.TemporaryDirectory() as folder:
            program = os.path.join(folder, "layout")
            subprocess.run(["cc", "-x", "c", "-", "-I", "include", "-I", "tools", "-o", program], input=source, text=True,
                           check=True, cwd=ROOT)
            said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
        self.assertEqual(list(map(int, said.split())), wanted)

    def test_every_number_has_the_name_of_the_headers(self):
        text = "".join((ROOT / "include/tf" / name).read_text() for name in ("decision.h", "event.h", "record.h"))
        said = {name: int(value, 0) for name, value in re.findall(r"\b(TF_\w+)\s*=\s*(\d+)\b", text)}
        said |= {name: int(value, 0) for name, value in re.findall(r"#define (TF_FLAG_\w+)[\s\\]+(0x[0-9a-f]+)u", text)}
        for enum, prefix in ((tickfuse.Action, "ACTION"), (tickfuse.HoldReason, "HOLD"), (tickfuse.BookState, "BOOK"),
                             (tickfuse.EventKind, "EVENT"), (tickfuse.Carries, "CARRIES"), (tickfuse.Flag, "FLAG")):
            for member in enum:
                self.assertEqual(said[f"TF_{prefix}_{member.name}"], int(member), member)
            if prefix != "FLAG":
                self.assertFalse([n for n, v in said.items() if n.startswith(f"TF_{prefix}_") and v >= len(enum)], prefix)
        self.assertEqual(said["TF_PATH_CANARY"], tickfuse.Path.CANARY)

    def test_reasons_of_the_library_have_words(self):
        header = (ROOT / "tools/client/tickfuse_client.h").read_text()
        for value in re.findall(r"TF_CLIENT_REASON_\w+\s*=\s*(\d+)", header):
            self.assertNotEqual(_library.load().tf_client_reason_text(int(value)), b"unknown", value)

    def test_decimals_are_the_nearest_doubles(self):
        exact = np.array([6183763, -5, 0, 7, 9007199254740991], np.int64), np.array([-2, -8, -22, 3, -9], np.int8)
        self.assertEqual(list(tickfuse.decimal(*exact)), [61837.63, -5e-8, 0.0, 7000.0, 9007199.254740991])


class Journals(unittest.TestCase):
    def test_a_journal_says_in_arrays_what_tail_says_in_json(self):
        with tempfile.TemporaryDirectory() as folder:
            path, lines = journal(folder)
            with tickfuse.open(f"journal:{path}", resume_from=tickfuse.OLDEST) as client:
                batches = list(client.batches(cap=100))
                names = client.instruments
            records = np.concatenate([batch.records for batch in batches])
            self.assertGreater(len(records), 100)
            self.assertEqual(len(records), len(lines))
            self.assertIsInstance(batches[-1].events[-1], tickfuse.End)
            self.assertEqual(records["decision_seq"].tolist(), [line["decision_seq"] for line in lines])
            self.assertEqual(records["ts_recv_ns"].tolist(), [line["ts_recv_ns"] for line in lines])
            self.assertEqual([names[i] for i in records["instrument_id"]], [line["instrument"] for line in lines])
            self.assertEqual([tickfuse.Action(a).name for a in records["action"]], [line["action"] for line in lines])
            prices = tickfuse.decimal(records["ref_price"], records["ref_price_exp"])
            self.assertEqual(prices.tolist(), [float(line["ref_price"]) for line in lines])
            scores = [None if np.isnan(s) else float(s) for s in records["score"]]
            self.assertEqual(scores, [line["score"] and float(np.float32(line["score"])) for line in lines])
            with tickfuse.open(f"journal:{path}", resume_from=50) as client:
                self.assertEqual(next(client.records())["decision_seq"], 50)

    def test_damage_is_raised_unless_somebody_takes_it(self):
        with tempfile.TemporaryDirectory() as folder:
            path, lines = journal(folder)
            with open(path, "r+b") as file:
                file.seek(os.path.getsize(path) // 2)
                file.write(b"damage")
            with tickfuse.open(f"journal:{path}", resume_from=tickfuse.OLDEST) as client:
                with self.assertRaises(tickfuse.LostError):
                    list(client.records())
            lost = []
            with tickfuse.open(f"journal:{path}", resume_from=tickfuse.OLDEST) as client:
                seqs = [int(record["decision_seq"]) for record in client.records(lost.append)]
            self.assertLess(len(seqs), len(lines))
            told = [seq for one in lost if one.cnt for seq in range(one.first, one.last + 1)]
            self.assertEqual(sorted(seqs + told), list(range(1, max(seqs + told) + 1)))  # each once


class Listeners(unittest.TestCase):
    def say(self, nth, client):
        self.hellos.append(client.hello())
        client.send(frames.welcome(1), frames.instruments("BTC.X", "ETH.X"), frames.labels("bad", "good"), frames.decisions(1, 3), frames.lost(4, 5),
                    frames.decisions(6, 9, prev=3, instrument=1), frames.end(3, "bye"))
        client.wait_closed()

    def setUp(self):
        self.hellos = []

    def heard(self, url, **options):
        with tickfuse.open(url, **options) as client:
            batches = list(client.batches())
            self.assertEqual(client.instruments, ["BTC.X", "ETH.X"])
            self.assertEqual([client.label(i) for i in range(3)], ["bad", "good", None])
            counts = client.counts
        records = np.concatenate([batch.records for batch in batches])
        events = [event for batch in batches for event in batch.events]
        self.assertEqual(records["decision_seq"].tolist(), [1, 2, 3, 6, 7, 8, 9])
        self.assertEqual([type(event).__name__ for event in events], ["Up", "Lost", "End"])
        self.assertEqual(events[1][:2], (4, 5))
        self.assertIn("bye", events[2].text)
        self.assertEqual((counts.records, counts.lost, counts.doubles), (7, 2, 0))

    def test_every_transport_brings_the_same(self):
        with frames.certificate() as cert, tempfile.TemporaryDirectory() as folder:
            for kind in ({"path": f"{folder}/sock"}, {}, {"certificate": cert}):
                with frames.stream_listener(self.say, **kind) as url:
                    self.heard(url, ca_file=cert[0])

            def messages(*said):
                self.hellos.append(said)
                return [frames.welcome(1), frames.instruments("BTC.X", "ETH.X"), frames.labels("bad", "good"), frames.decisions(1, 3), frames.lost(4, 5),
                        frames.decisions(6, 9, prev=3, instrument=1), frames.end(3, "bye")]
            for certificate in (None, cert):
                with frames.websocket_listener(messages, certificate) as url:
                    self.heard(url, ca_file=cert[0])
            self.assertEqual(self.hellos, [(tickfuse.NEXT, 0, "")] * 5)

    def test_a_certificate_that_does_not_verify_is_refused(self):
        with frames.certificate() as cert, frames.certificate() as other:
            with frames.stream_listener(self.say, certificate=cert) as url:
                with self.assertRaisesRegex(tickfuse.Error, "E_WIRE_TLS_VERIFY|verif"):
                    tickfuse.open(url, ca_file=other[0])

    def test_a_text_message_over_websocket_is_named(self):
        with frames.websocket_listener(lambda *_: ['{"type":"welcome"}']) as url:
            with self.assertRaisesRegex(tickfuse.Error, "format: binary"):
                tickfuse.open(url)

    def test_a_large_frame_comes_whole_over_each_transport(self):
        count = 8000  # a frame of a megabyte

        def say(nth, client):
            client.hello()
            client.send(frames.welcome(1), frames.decisions(1, count), frames.end(3))
            client.wait_closed()
        with frames.certificate() as cert:
            contexts = [frames.stream_listener(say), frames.stream_listener(say, certificate=cert)]
            big = [frames.welcome(1), frames.decisions(1, count), frames.end(3)]
            contexts += [frames.websocket_listener(lambda *_: big), frames.websocket_listener(lambda *_: big, cert)]
            for context in contexts:
                with context as url, tickfuse.open(url, ca_file=cert[0]) as client:
                    got = np.concatenate([b.records for b in client.batches()])
                    self.assertEqual(got["decision_seq"].tolist(), list(range(1, count + 1)), url)

    def test_a_reconnect_goes_on_where_it_was_with_the_token(self):
        def say(nth, client):
            resume_from, _, token = client.hello()
            self.hellos.append((resume_from, token))
            first = 1 if nth == 0 else resume_from
            client.send(frames.welcome(first), frames.decisions(first, first + 4))
            if nth == 2:
                client.send(frames.end(3))
                client.wait_closed()
        with tempfile.TemporaryDirectory() as folder:
            token = os.path.join(folder, "token")
            with open(os.open(token, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                file.write("amber\n")
            with frames.stream_listener(say) as url, tickfuse.open(url, token_file=token) as client:
                seqs = [m.seq for m in client if isinstance(m, tickfuse.Record)]
        self.assertEqual(seqs, list(range(1, 16)))
        self.assertEqual(self.hellos, [(tickfuse.NEXT, "amber"), (6, "amber"), (11, "amber")])

    def test_the_descriptor_serves_select_and_a_wait_gives_up(self):
        go, done = threading.Event(), threading.Event()

        def say(nth, client):
            client.hello()
            client.send(frames.welcome(1))
            go.wait(60)
            client.send(frames.decisions(1, 1))
            done.wait(60)
        with frames.stream_listener(say) as url, tickfuse.open(url) as client:
            self.assertIsInstance(client.read().events[0], tickfuse.Up)
            self.assertEqual(len(client.read().records), 0)
            self.assertFalse(client.wait(0.01))
            go.set()
            self.assertEqual(select.select([client], [], [], 60)[0], [client])
            self.assertEqual(client.read().records["decision_seq"].tolist(), [1])
            done.set()

    def test_features_have_their_own_dtype(self):
        dtype = tickfuse.feature_record(["mid", "spread"])
        rows = np.zeros(3, dtype)
        rows["row_seq"], rows["ingest_seq"], rows["mid"], rows["value_cnt"] = [4, 5, 6], [9, 9, 8], [1.5, np.nan, 2.5], 2

        def say(nth, client):
            self.hellos.append(client.hello())
            client.send(frames.welcome(4, carries=3, record_bytes=dtype.itemsize),
                        frames.frame(frames.RECORDS, rows.tobytes(), 3, 4, 0), frames.end(3))
            client.wait_closed()
        with frames.stream_listener(say) as url, tickfuse.open(url, carries=tickfuse.Carries.FEATURES) as client:
            got = np.concatenate([b.records for b in client.batches() if len(b.records)])
        self.assertEqual(self.hellos[0][1], 3)
        self.assertEqual(got.dtype.names[5:], ("f0", "f1"))
        self.assertEqual(got.tobytes(), rows.tobytes())
        self.assertEqual(dtype.names[5:], ("mid", "spread"))


class Streams(unittest.TestCase):
    def test_an_engines_stream_is_read_and_its_end_seen(self):
        name = shm_name()
        with Background("replay", REPLAY_CONFIG, "--input", MADE, "--set", f"sinks.0.path={name}", "--set", STRATEGY) as engine:
            engine.process.wait(60)
        with tickfuse.open(f"shm:{name}", resume_from=tickfuse.OLDEST) as client:
            messages = list(client)
            with self.assertRaisesRegex(tickfuse.Error, "polled"):
                client.fileno()
        self.assertIsInstance(messages[-1], tickfuse.End)
        records = [m for m in messages if isinstance(m, tickfuse.Record)]
        self.assertEqual([m.seq for m in records], list(range(records[0].seq, records[-1].seq + 1)))
        self.assertGreater(len(records), 100)

    def test_errors_are_exceptions_with_what_is_allowed(self):
        for url, says in (("shm:a/b", "A-Z"), ("http://x", "are known"), ("shm:nobody-is-here", "no such stream")):
            with self.assertRaisesRegex(tickfuse.Error, says):
                tickfuse.open(url)
        with self.assertRaisesRegex(tickfuse.Error, "resume_from"):
            tickfuse.open("shm:x", resume_from=-1)

    def test_a_closed_client_says_so_and_closing_twice_is_fine(self):
        with tempfile.TemporaryDirectory() as folder:
            client = tickfuse.open(f"journal:{journal(folder)[0]}", resume_from=tickfuse.OLDEST)
        client.close()
        client.close()
        for use in (client.read, client.wait, client.fileno, lambda: client.counts, lambda: client.instrument(0)):
            with self.assertRaisesRegex(tickfuse.Error, "closed"):
                use()
        del client
        gc.collect()


class Tables(unittest.TestCase):
    def test_a_tape_says_in_an_array_what_cat_says_in_json(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "made.tape")
            run("tape", "convert", MADE, "--out", path)
            lines = [json.loads(line) for line in run("tape", "cat", path, "--json")[0].splitlines()]
            info = json.loads(run("tape", "info", path, "--json")[0])
            tape = tickfuse.load_tape(path)
            self.assertTrue(tape.is_whole)
            self.assertEqual(len(tape.events), len(lines))
            self.assertGreater(len(lines), 1000)
            self.assertEqual(f"{tape.events_hash:016x}", info["events_hash"])
            for field in ("ingest_seq", "ts_recv_ns", "ts_event_ns"):
                self.assertEqual(tape.events[field].tolist(), [line[field] for line in lines], field)
            kinds = [tickfuse.EventKind(k).name.lower() for k in tape.events["kind"]]
            self.assertEqual(kinds, [line["kind"] for line in lines])
            self.assertEqual([tape.instruments[i] for i in tape.events["instrument_id"]], [line["instrument"] for line in lines])
            for kind, field, exp in (("trade", "price", "price_exp"), ("trade", "qty", "qty_exp"), ("book", "qty", "qty_exp"),
                                     ("quote", "ask_price", "price_exp"), ("ticker", "last_price", "price_exp")):
                events = tickfuse.of_kind(tape.events, tickfuse.EventKind[kind.upper()])
                said = [float(line[field]) for line in lines if line["kind"] == kind]
                self.assertEqual(tickfuse.decimal(events[field], events[exp]).tolist(), said, (kind, field))
                self.assertGreater(len(said), 1)
            pieces = list(tickfuse.iterate_tape(path, 700))
            self.assertGreater(len(pieces), 1)
            self.assertEqual(np.concatenate(pieces).tobytes(), tape.events.tobytes())
            size = os.path.getsize(path)
            os.truncate(path, size - size // 3)
            cut = tickfuse.load_tape(path)
            self.assertFalse(cut.is_whole)
        with self.assertRaisesRegex(tickfuse.Error, "tape"):
            tickfuse.load_tape(__file__)

    def test_features_come_from_a_file_and_from_the_engine_alike(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rows.npy")
            run("features", "eval", REPLAY_CONFIG, "--input", MADE, "--out", path)
            rows = tickfuse.load_features(path)
            self.assertGreater(len(rows), 100)
            self.assertIn("mid", rows.dtype.names)
            again = tickfuse.evaluate_features(REPLAY_CONFIG, [MADE], program=os.environ["TICKFUSE"])
            self.assertEqual(rows.tobytes(), again.tobytes())
            np.save(path, np.zeros(3))
            with self.assertRaisesRegex(tickfuse.Error, "no feature rows"):
                tickfuse.load_features(path)
            with self.assertRaisesRegex(tickfuse.Error, "binance"):
                tickfuse.evaluate_features(REPLAY_CONFIG, ["binance-usd:x"], program=os.environ["TICKFUSE"])


if __name__ == "__main__":
    unittest.main()
