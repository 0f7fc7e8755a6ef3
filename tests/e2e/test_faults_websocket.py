"""A venue that breaks the websocket protocol (FAULTS F16 to F24), as the running engine meets it: each feed's first
connection does something wrong, is left with the close code that the standard wants, and the next one is LIVE."""
import itertools
import json
import pathlib
import struct
import sys
import tempfile
import time
import unittest
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chaosws import ChaosWs, close, frame
from harness import Exchange, main, run, shm_name
from test_network import port_of, write_config

TRADE = (b'{"e":"trade","E":1672515782136,"s":"S0","t":12345,"p":"100.5","q":"1","T":1672515782136,"m":true,"M":true}')
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"
LIMIT = 4 << 20  # of a message


def deflated(data):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


class Broken(unittest.TestCase):
    def run_with(self, scripts, headers=b"", sets=(), seconds="6s", again=True, expect=0):
        """One feed a script; (summary, the servers). again: each is dialled again and comes live."""
        names = [f"S{i}" for i in range(len(scripts))]
        with Exchange("--symbols", ",".join(names), "--rate", "1000") as exchange, \
                tempfile.NamedTemporaryFile(suffix=".yaml") as config:
            servers = [ChaosWs(port_of(exchange), script, headers) for script in scripts]
            write_config(config.name, zip(names, (s.port for s in servers)), exchange)
            out, _ = run("run", config.name, "--for", seconds, "--json", *(x for s in sets for x in ("--set", s)),
                         expect=expect)
            for server in servers:
                server.__exit__()
        got = json.loads(out)
        self.assertEqual(got["ledger"]["residual"], 0)
        if again:
            self.assertEqual(got["instruments"], len(scripts))
            self.assertGreater(got["events"]["trade"], 20, "every feed came live in the end")
            for server in servers:
                self.assertGreaterEqual(server.connections, 2)
        return got, servers

    def check(self, rows, **kwargs):
        """rows: (what is sent, its script, close code of the client)."""
        got, servers = self.run_with([row[1] for row in rows], **kwargs)
        self.assertEqual([(row[0], server.close_code) for row, server in zip(rows, servers)], [(row[0], row[2]) for row in rows])
        self.assertEqual(got["rejected"], {})

    def test_frames_that_the_protocol_forbids_end_with_1002_before_their_payload(self):
        self.check([
            ("masked", frame(TRADE, mask=True), 1002),
            ("length not in its shortest form", b"\x81\x7e\x00\x05hello", 1002),
            ("length with its top bit", frame(b"", length=1 << 63), 1002),
            ("length of 2^63 - 1", frame(b"", length=(1 << 63) - 1), 1009),
            ("reserved bit", frame(TRADE, rsv=4), 1002),
            ("reserved opcode", frame(TRADE, opcode=3), 1002),
            ("ping of 126 bytes", frame(b"x" * 126, opcode=9), 1002),
            ("nothing to continue", frame(TRADE, opcode=0), 1002),
        ])

    def test_messages_over_their_limits_end_with_1009_and_1008(self):
        whole = frame(b"", length=LIMIT + 1)
        pieces = itertools.chain([frame(b"x" * 65536, fin=False)], itertools.repeat(frame(b"x" * 65536, opcode=0, fin=False), 64))
        empties = itertools.chain([frame(b"", fin=False)], [frame(b"", opcode=0, fin=False) * 4096] * 32)
        ones = itertools.chain([frame(b"x", fin=False)], [frame(b"x", opcode=0, fin=False) * 4096] * 32)
        self.check([("one frame", whole, 1009), ("fragments over it", pieces, 1009), ("empty fragments", empties, 1008),
                    ("fragments of a byte", ones, 1008)])

    def test_text_that_is_not_utf8_ends_with_1007_or_is_refused_as_json(self):
        got, servers = self.run_with([frame(b'{"e":"\xff\xfe"}') + close(1001)])
        self.assertTrue(got["rejected"] or servers[0].close_code == 1007)

    def test_compressed_messages_that_cannot_be_end_with_1007_or_1009(self):
        bomb = frame(deflated(b"a" * (LIMIT + 1)), rsv=4)
        bad = frame(b"\xff\xff\xff\xff", rsv=4)
        far = frame(bytes([0x03 | 0x04, 0xff, 0x7f, 0, 0]), rsv=4)
        sets = [f"feeds.{i}.deflate=true" for i in range(3)]
        self.check([("bomb", bomb, 1009), ("no DEFLATE", bad, 1007), ("distance behind the window", far, 1007)],
                   headers=DEFLATE, sets=sets)

    def test_floods_of_pings_are_answered_at_most_four_times_a_second(self):
        flood = (frame(struct.pack(">I", i), opcode=9) * 100 for i in range(300))
        pongs = (frame(b"unasked", opcode=10) * 100 for _ in range(300))

        def paced(frames):
            for data in frames:
                time.sleep(0.01)  # 10,000 a second
                yield data
            yield close(1001)

        _, servers = self.run_with([paced(flood), paced(pongs)], seconds="8s")
        self.assertTrue(1 <= servers[0].pongs <= 16, servers[0].pongs)
        self.assertEqual(servers[1].pongs, 0)

    def test_close_codes_of_a_venue_that_goes_on_lead_to_another_connection(self):
        codes = (1000, 1001, 1011, 1012, 4999)
        _, servers = self.run_with([close(code) for code in codes])
        self.assertEqual([server.close_code for server in servers], list(codes), "echoed")

    def test_close_codes_that_ask_for_patience_are_given_it(self):
        _, servers = self.run_with([close(1008), close(1013)], seconds="5s", again=False)
        self.assertEqual([server.connections for server in servers], [1, 1])

    def test_close_codes_that_forbid_end_the_feed_for_good(self):
        for code in (3000, 3003):
            _, servers = self.run_with([close(code)], seconds="5s", again=False, expect=1)
            self.assertEqual(servers[0].connections, 1)

    def test_every_byte_of_a_frame_may_come_alone(self):
        one_by_one = (bytes([b]) for b in (frame(TRADE) * 3 + close(1001)))
        got, _ = self.run_with([one_by_one])
        self.assertEqual(got["rejected"], {})


class Storm(unittest.TestCase):
    def test_a_venue_that_accepts_and_closes_at_once_is_backed_off_from(self):
        with Exchange("--life", "1ms", "--rate", "10") as exchange, tempfile.NamedTemporaryFile(suffix=".yaml") as config:
            write_config(config.name, [("S0", port_of(exchange))], exchange)
            out, _ = run("run", config.name, "--for", "10s", "--json")
            self.assertEqual(json.loads(out)["ledger"]["residual"], 0)
            clients = exchange.summary()["clients"]
            self.assertTrue(2 <= clients <= 10, clients)


if __name__ == "__main__":
    main()
