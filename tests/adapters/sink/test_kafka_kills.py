"""Engines that write to Kafka are killed (SIGKILL), some while the answers to what is written are held back, some while the
brokers are down or the leader moves; each next one goes on behind the tail. What our reader then gives is every decision
once, in order. TF_KILLS=10000 for the whole of the acceptance; by default a sample."""

import os
import re
import subprocess
import sys
import time
import unittest

PUMP, MOCK = sys.argv.pop(1), sys.argv.pop(1)
KILLS = int(os.environ.get("TF_KILLS", "8"))


class Cluster:
    def __init__(self):
        self.process = subprocess.Popen([MOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Kills(unittest.TestCase):
    def pump(self, up_to):
        command = [PUMP, "kafka", self.cluster.url, "decisions", str(up_to), "pause_us=200"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def setUp(self):
        self.cluster = Cluster()
        self.addCleanup(self.cluster.close)

    def opened(self, pump):
        """The sequence behind which it goes on."""
        said = re.match(r"open (\d+)$", pump.stdout.readline())
        self.assertTrue(said)
        return int(said[1])

    def test_whatever_is_killed_nothing_is_lost_or_doubled_for_the_reader(self):
        tails = []
        for kill in range(KILLS):
            pump = self.pump(1 << 40)
            tails.append(self.opened(pump))
            if kill % 4 == 1:
                self.cluster.ask("late 5000")
            if kill % 4 == 2:
                self.cluster.ask(f"leader {1 + kill % 3}")
            time.sleep(0.02 + 0.013 * (kill % 7))
            if kill % 4 == 3:
                self.cluster.ask("down")
            pump.kill()
            pump.wait()
            pump.stdout.close()
            self.cluster.ask("late 0")
            self.cluster.ask("up")
            # Each time: what nobody reads the mock drops beyond 5 MiB, which would look like a loss.
            self.assertIn(" lost 0 removed 0 wrong 0", self.cluster.ask(f"read {max(tails)}"))
        known = [tail for tail in tails if tail]
        self.assertEqual(known, sorted(known))
        up_to = max(tails) + 2000
        pump = self.finish(up_to, max(tails) > 0)
        self.assertEqual(pump.wait(timeout=120), 0)
        pump.stdout.close()
        said = self.cluster.ask(f"read {up_to}")
        self.assertRegex(said, rf"^records {up_to} doubles \d+ lost 0 removed 0 wrong 0$")
        print(f"{KILLS} kills, {said}", file=sys.stderr)

    def finish(self, up_to, has_records):
        """An engine that learnt the tail in time. One that did not (0, after 3 s) begins with 1, and is fenced off."""
        for _ in range(100):
            pump = self.pump(up_to)
            if self.opened(pump) or not has_records:
                return pump
            pump.kill()
            pump.wait()
            pump.stdout.close()
        self.fail("no engine learns what the partition holds")


if __name__ == "__main__":
    unittest.main()
