"""The examples on the client library, in C and in Python: each pair says the same of the same source."""
import os
import pathlib
import subprocess
import sys
import threading
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests/tools/client")]

import frames  # noqa: E402

BUILD = pathlib.Path(os.environ["EXAMPLES"])
ENVIRONMENT = dict(os.environ, PYTHONPATH=str(ROOT / "tools/python"), PYTHONUNBUFFERED="1")
OLD, YOUNG = 10**18, 4 * 10**18  # ns: 2001, 2096


def programs(name):
    return [[str(BUILD / name)], ["/usr/bin/python3", str(ROOT / f"tools/examples/{name}.py")]]


def said(program, serve, *arguments, status=0):
    with frames.stream_listener(serve) as url:
        done = subprocess.run([*program, url, *arguments], capture_output=True, text=True, timeout=120, env=ENVIRONMENT)
    if done.returncode != status:
        raise AssertionError(f"{program}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout.splitlines()


class Consumer(unittest.TestCase):
    def test_it_acts_on_what_is_good_and_says_what_it_passes_and_lost(self):
        def serve(nth, client):
            client.hello()
            client.send(frames.welcome(1), frames.instruments("BTC.X"), frames.decisions(1, 1, action=1),
                        frames.decisions(2, 2, action=0), frames.decisions(3, 3, action=2, book=2),
                        frames.decisions(4, 4, action=2, path=0x80), frames.decisions(5, 5, action=2, expiry=OLD),
                        frames.decisions(6, 6, action=2, expiry=YOUNG), frames.lost(7, 8), frames.decisions(9, 9, action=3),
                        frames.end(3))
            client.wait_closed()
        for program in programs("consumer"):
            self.assertEqual(said(program, serve, "--once"), [
                "up, next is 1", "1 order BUY BTC.X score 0.250", "2 pass hold", "3 pass book", "4 pass late", "5 pass late",
                "6 order SELL BTC.X score 0.250", "lost 7 to 8: dropped by the queue's policy", "9 order FLAT BTC.X score 0.250",
                "end: closed in order"])

    def test_it_outlives_a_broken_connection(self):
        def serve(nth, client):
            resume_from, _, _ = client.hello()
            first = 1 if nth == 0 else resume_from
            client.send(frames.welcome(first), frames.instruments("BTC.X"), frames.decisions(first, first + 1))
            if nth:
                client.wait_closed()
        for program in programs("consumer"):
            lines = said(program, serve, "--count", "4")
            self.assertEqual([line.split()[0] for line in lines], ["up,", "1", "2", "down:", "up,", "3", "4"])

    def test_wrong_use_ends_with_its_code(self):
        for program in programs("consumer"):
            for arguments, status in ((["shm:x", "--nonsense"], 2), ([], 2), (["http://x"], 1), (["shm:nobody-is-here"], 1)):
                done = subprocess.run(program + arguments, capture_output=True, text=True, timeout=60, env=ENVIRONMENT)
                self.assertEqual(done.returncode, status, (program, arguments, done.stderr))


class Behind(unittest.TestCase):
    def test_it_skips_what_is_old_and_acts_on_the_latest_that_is_young(self):
        def serve(nth, client):
            client.hello()
            client.send(frames.welcome(1), frames.instruments("BTC.X", "ETH.X"),
                        frames.decisions(1, 2, ts_decision=YOUNG) + frames.decisions(3, 5, ts_decision=OLD)
                        + frames.decisions(6, 7, ts_decision=YOUNG) + frames.decisions(8, 8, ts_decision=OLD, instrument=1)
                        + frames.end(3))
            client.wait_closed()
        for program in programs("behind"):
            self.assertEqual(said(program, serve), [
                "1 act BTC.X", "2 act BTC.X", "behind: too old", "caught up, 6 skipped", "7 act BTC.X", "end: closed in order"])

    def test_a_loss_is_behind_and_it_catches_up_when_there_is_nothing_more(self):
        go_on = threading.Event()

        def serve(nth, client):
            client.hello()
            client.send(frames.welcome(1) + frames.instruments("BTC.X", "ETH.X") + frames.decisions(1, 1, ts_decision=YOUNG)
                        + frames.lost(2, 90) + frames.decisions(91, 93, ts_decision=YOUNG)
                        + frames.decisions(94, 94, ts_decision=YOUNG, instrument=1))
            go_on.wait(60)
            client.send(frames.decisions(95, 95, ts_decision=YOUNG, prev=94) + frames.end(3))
            client.wait_closed()
        for program in programs("behind"):
            go_on.clear()
            with frames.stream_listener(serve) as url, subprocess.Popen([*program, url], stdout=subprocess.PIPE, text=True,
                                                                      env=ENVIRONMENT) as process:
                lines = [process.stdout.readline().rstrip() for _ in range(5)]
                go_on.set()
                lines += process.stdout.read().splitlines()
            self.assertEqual(lines, [
                "1 act BTC.X", "behind: dropped by the queue's policy", "caught up, 4 skipped", "93 act BTC.X", "94 act ETH.X",
                "95 act BTC.X", "end: closed in order"])


if __name__ == "__main__":
    unittest.main()
