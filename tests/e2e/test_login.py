"""Channels that want a key: the engine logs in to venues made here, which check its signature with Python's own
hmac, and serve those channels to nobody else."""
import asyncio
import base64
import hashlib
import hmac
import json
import os
import pathlib
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import ROOT, main, run, shm_name  # noqa: E402
from made_venue import Venue  # noqa: E402

ID, SECRET, PASSPHRASE = "kq7id8zz41", "s3cret/of+nobody=", "px93phrase"
ANSWER_DELAY = 0.7  # a login is not answered at once


def mac(text):
    return hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()


def now_ms():
    return int(time.time() * 1000)


class Guarded(Venue):
    """What its clients said, and whether each had logged in."""

    def __init__(self, accepts=True):
        self.accepts, self.logins, self.early, self.asked = accepts, 0, 0, []

    async def client(self, socket, _path=None):
        socket.logged_in = socket.answered = False
        await super().client(socket)

    async def take_login(self, socket, is_signed):
        self.logins += 1
        self.accepts = self.accepts and is_signed
        await asyncio.sleep(ANSWER_DELAY)
        socket.logged_in, socket.answered = self.accepts, True


class Okx(Guarded):
    PRIVATE = ("books-l2-tbt", "books50-l2-tbt")

    async def said(self, socket, text):
        if text == "ping":
            return await socket.send("pong")
        message = json.loads(text)
        if message["op"] == "login":
            (arg,) = message["args"]
            signature = base64.b64encode(mac(arg["timestamp"] + "GET/users/self/verify")).decode()
            fresh = abs(now_ms() / 1000 - int(arg["timestamp"])) < 30
            await self.take_login(socket, fresh and (arg["apiKey"], arg["passphrase"], arg["sign"]) ==
                                  (ID, PASSPHRASE, signature))
            answer = {"event": "login", "code": "0", "msg": ""} if self.accepts else \
                {"event": "error", "code": "60009", "msg": "Login failed."}
            return await socket.send(json.dumps(answer))
        self.early += not socket.answered
        for arg in message["args"]:
            self.asked.append(arg["channel"])
            if arg["channel"] in self.PRIVATE and not socket.logged_in:
                await socket.send(json.dumps({"event": "error", "id": message["id"], "code": "60011", "msg": "Please log in", "arg": arg}))
                continue
            await socket.send(json.dumps({"id": message["id"], "event": message["op"], "arg": arg}))
            if arg["channel"].startswith("books"):
                data = {"asks": [["101", "1", "0", "1"]], "bids": [["100", "2", "0", "1"]], "ts": str(now_ms()),
                        "checksum": 0, "prevSeqId": -1, "seqId": 7}
                await socket.send(json.dumps({"arg": arg, "action": "snapshot", "data": [data]}))
            elif arg["channel"] == "trades":
                trade = {"instId": arg["instId"], "tradeId": "9", "px": "100", "sz": "1", "side": "buy", "ts": str(now_ms())}
                await socket.send(json.dumps({"arg": arg, "data": [trade]}))


class Deribit(Guarded):
    async def said(self, socket, text):
        message = json.loads(text)
        answer = {"jsonrpc": "2.0", "id": message["id"], "result": "ok"}
        if message["method"] == "public/auth":
            p = message["params"]
            signature = mac(f"{p['timestamp']}\n{p['nonce']}\n{p['data']}").hex()
            await self.take_login(socket, abs(now_ms() - p["timestamp"]) < 60000 and
                                  (p["grant_type"], p["client_id"], p["signature"]) == ("client_signature", ID, signature))
            answer["result"] = {"access_token": "x", "expires_in": 900}
            if not self.accepts:
                del answer["result"]
                answer["error"] = {"code": 13004, "message": "invalid_credentials"}
        elif message["method"] == "public/subscribe":
            self.early += not socket.answered
            channels = message["params"]["channels"]
            self.asked += channels
            answer["result"] = [c for c in channels if socket.logged_in or not c.endswith(".raw")]
        await socket.send(json.dumps(answer))
        for channel in answer.get("result") or []:
            if not channel.startswith("book."):
                continue
            name = channel.split(".")[1]
            data = {"type": "snapshot", "timestamp": now_ms(), "change_id": 7, "instrument_name": name,
                    "bids": [["new", 100.0, 2.0]], "asks": [["new", 101.0, 1.0]]}
            await socket.send(json.dumps({"jsonrpc": "2.0", "method": "subscription",
                                          "params": {"channel": channel, "data": data}}))


class Login(unittest.TestCase):
    def key(self, folder, mode=0o600, passphrase=True):
        path = pathlib.Path(folder) / "key"
        path.write_text(f"id: {ID}\nsecret: {SECRET}\n" + (f"passphrase: {PASSPHRASE}\n" if passphrase else ""))
        os.chmod(path, mode)
        return path

    def live(self, venue, port, *sets, expect=0, seconds="5s"):
        with tempfile.TemporaryDirectory() as cache:
            args = ["run", ROOT / "configs" / f"{venue}.yaml", "--for", seconds, "--json"]
            for item in (f"feeds.0.url=ws://127.0.0.1:{port}", "feeds.0.rest=http://127.0.0.1:1", "http.listen=off",
                         f"sinks.0.path={shm_name()}", f"engine.cache_dir={cache}", "engine.idle=sleep",
                         "feeds.0.channels=[trade, book]", *sets):
                args += ["--set", item]
            out, err = run(*args, expect=expect)
        for secret in (ID, SECRET, PASSPHRASE):
            self.assertNotIn(secret, out + err)
        return (json.loads(out) if expect == 0 else out), err

    def test_okx_serves_its_quickest_books_to_who_signed(self):
        for depth, channel in (("400", "books-l2-tbt"), ("50", "books50-l2-tbt")):
            with self.subTest(channel), tempfile.TemporaryDirectory() as folder, Okx() as okx:
                summary, _ = self.live("okx", okx.port, f"feeds.0.key_file={self.key(folder)}",
                                       f"feeds.0.book_depth={depth}", "feeds.0.instruments=[BTC-USDT, ETH-USDT]")
                self.assertTrue(okx.accepts)
                self.assertEqual((okx.logins, okx.early), (1, 0))
                self.assertEqual(sorted(okx.asked), [channel, channel, "trades", "trades"])
                self.assertEqual(summary["events"]["book"], 4)
                self.assertEqual(summary["events"]["trade"], 2)
                self.assertEqual(summary["ledger"]["residual"], 0)

    def test_deribit_serves_raw_channels_to_who_signed(self):
        with tempfile.TemporaryDirectory() as folder, Deribit() as deribit:
            summary, _ = self.live("deribit", deribit.port, f"feeds.0.key_file={self.key(folder)}")
            self.assertTrue(deribit.accepts)
            self.assertEqual((deribit.logins, deribit.early), (1, 0))
            self.assertEqual({c.split(".")[-1] for c in deribit.asked}, {"raw"})
            self.assertEqual(summary["events"]["book"], 4)

    def test_without_a_key_nobody_logs_in(self):
        with Okx() as okx:
            self.live("okx", okx.port, seconds="3s")
            self.assertEqual(okx.logins, 0)
            self.assertEqual(set(okx.asked), {"books", "trades"})
        with Deribit() as deribit:
            self.live("deribit", deribit.port, seconds="3s")
            self.assertEqual(deribit.logins, 0)
            self.assertEqual({c.split(".")[-1] for c in deribit.asked}, {"100ms"})

    def test_refused_login_is_said_and_costs_only_what_wanted_it(self):
        with tempfile.TemporaryDirectory() as folder, Okx(accepts=False) as okx:
            summary, _ = self.live("okx", okx.port, f"feeds.0.key_file={self.key(folder)}")
            self.assertEqual(okx.early, 0)
            self.assertGreater(okx.asked.count("books-l2-tbt"), 3)  # again, as any stream that is refused
            self.assertGreater(summary["events"]["trade"], 0)
            self.assertEqual(summary["events"]["book"], 0)

    def test_mistakes_are_named_before_anything_is_dialed(self):
        with tempfile.TemporaryDirectory() as folder:
            _, err = self.live("okx", 1, f"feeds.0.key_file={self.key(folder, 0o640)}", expect=None)
            self.assertIn("chmod 600", err)
            _, err = self.live("okx", 1, f"feeds.0.key_file={self.key(folder, passphrase=False)}", expect=None)
            self.assertIn("the key has no passphrase", err)
            _, err = self.live("okx", 1, "feeds.0.book_depth=50", expect=None)
            self.assertIn("book_depth 50: okx has it for who logs in", err)
            _, err = self.live("htx", 1, "feeds.0.venue=htx-swap-funding", "feeds.0.instruments=[BTC-USDT]", expect=None)
            self.assertIn("feeds[0].channels: htx-swap-funding has no trade", err)
            _, err = self.live("bybit", 1, f"feeds.0.key_file={self.key(folder)}", expect=None)
            self.assertIn("feeds[0].key_file: no channel of bybit that is published wants a key", err)


if __name__ == "__main__":
    main()
