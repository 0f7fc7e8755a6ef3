"""A JetStream cluster of three, each server in a network namespace of its own: the stream's leader is killed, cut off from the
others, and cut off from everybody. Afterwards every record is there once and in order (F64)."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest

import brokers
import netns
from brokers import NatsClient, wait_until
from test_brokers import ENDLESS, PUMP, Pump, has, record_problem

NAMES = ("a", "b", "c")


def address(i):
    return f"10.9.0.{i + 1}"


class Server:
    """One of the three: a namespace, which lives as long as its keeper sleeps, with a veth into our bridge."""

    def __init__(self, i, folder):
        self.i, self.dir, self.process = i, f"{folder}/{NAMES[i]}", None
        os.mkdir(self.dir)
        self.keeper = subprocess.Popen(["unshare", "-n", "sleep", "infinity"])
        wait_until("a namespace of its own", lambda: os.readlink(f"/proc/{self.keeper.pid}/ns/net") != os.readlink("/proc/self/ns/net"))
        netns.sh(f"ip link add tf{i} type veth peer name eth0 netns {self.keeper.pid}")
        netns.sh(f"ip link set tf{i} master tfbr up")
        for command in (f"ip addr add {address(i)}/24 dev eth0", "ip link set eth0 up", "ip link set lo up"):
            self.inside(command)
        routes = ", ".join(f"nats://{address(j)}:6222" for j in range(3))
        with open(f"{self.dir}/conf", "w") as conf:
            conf.write(f'server_name: {NAMES[i]}\nlisten: "{address(i)}:4222"\njetstream {{store_dir: "{self.dir}/js"}}\n'
                       f'cluster {{name: tf, listen: "{address(i)}:6222", routes: [{routes}]}}\n')
        self.start()

    def inside(self, command):
        netns.sh(f"nsenter -t {self.keeper.pid} -n {command}")

    def start(self):
        with open(f"{self.dir}/log", "a") as log:
            self.process = subprocess.Popen(["nsenter", "-t", str(self.keeper.pid), "-n", "nats-server", "-c", f"{self.dir}/conf"],
                                            stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.kill()
        self.keeper.kill()
        self.keeper.wait()


class Client(NatsClient):
    def __init__(self, i):
        brokers.socket.setdefaulttimeout(5)
        try:
            super().__init__(4222, host=address(i))
        finally:
            brokers.socket.setdefaulttimeout(None)
        self.socket.settimeout(5)


class Cluster(brokers.Nats):
    """As a broker of its own: whichever server answers."""

    def __init__(self):
        self.login, self.tls, self.dir = None, False, tempfile.mkdtemp(prefix="tickfuse-cluster-")
        netns.sh("ip link add tfbr type bridge")
        netns.sh("ip addr add 10.9.0.254/24 dev tfbr")
        netns.sh("ip link set tfbr up")
        self.servers = [Server(i, self.dir) for i in range(3)]
        self.url = ",".join(f"nats://{address(i)}:4222" for i in range(3))

    def __exit__(self, *_):
        for server in self.servers:
            server.end()
        netns.sh("ip link del tfbr")
        shutil.rmtree(self.dir, ignore_errors=True)

    def info(self):
        """STREAM.INFO as a server says it that has a leader to ask."""
        for i in range(3):
            try:
                client = Client(i)
                answer = client.api("INFO.D")
                client.close()
                if answer.get("cluster", {}).get("leader"):
                    return answer
            except (OSError, ValueError):
                pass
        return None

    def leader(self):
        answer = wait_until("a leader", self.info)
        return self.servers[NAMES.index(answer["cluster"]["leader"])]

    def client(self):
        return Client(self.leader().i)

    def last(self, stream):
        return wait_until("a leader", self.info)["state"]["last_seq"]

    def settle(self, last):
        """Until each server has the stream up to there, and all say who leads."""
        def settled():
            leaders = set()
            for i in range(3):
                client = Client(i)
                try:
                    answer = client.api("INFO.D")
                finally:
                    client.close()
                cluster = answer["cluster"]
                leaders.add(cluster.get("leader"))
                if answer["state"]["last_seq"] < last or not all(r["current"] and not r.get("offline") for r in cluster["replicas"]):
                    return False
            return len(leaders) == 1
        wait_until("three that agree", settled, 120)

    def make_replicated(self):
        config = {"name": "D", "subjects": ["D.>"], "retention": "limits", "storage": "file", "discard": "old", "num_replicas": 3,
                  "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "duplicate_window": 100_000_000}

        def made():
            client = Client(0)
            try:
                answer = client.api("CREATE.D", config)
            except ValueError:
                return False
            finally:
                client.close()
            return "error" not in answer
        wait_until("a stream of three replicas", made)


@unittest.skipUnless(has("nats", "nats-server"), "there is no nats-server, or the sink is left out")
class Leader(unittest.TestCase):
    def through(self, cluster, trouble, heal):
        pump = Pump(cluster, ENDLESS, "pause_us=100000", url=cluster.url)
        self.addCleanup(pump.kill)
        self.grows(cluster)
        leader = cluster.leader()
        trouble(leader)
        self.grows(cluster)  # another leads by now
        heal(leader)
        self.grows(cluster)
        counts, err, code = pump.stop()
        self.assertEqual(code, 0, err[-3000:])
        self.assertGreater(counts["errors"], 0, "it noticed nothing")
        self.assertEqual(counts["pending"] + counts["dropped_closed"] + counts["dropped_broken"], 0, counts)
        cluster.settle(counts["last_seq"])
        entries = cluster.read("D")
        seqs = [int(e[1]["Nats-Msg-Id"].removeprefix("D-")) for e in entries]
        self.assertEqual(seqs, list(range(1, counts["last_seq"] + 1)))
        for seq, entry in zip(seqs, entries):
            self.assertIsNone(record_problem(seq, entry[2]))

    @staticmethod
    def grows(cluster):
        begin = cluster.last("D")
        wait_until("records arrive", lambda: cluster.last("D") >= begin + 100)

    def test_a_leader_is_killed_or_cut_off_and_nothing_is_lost_or_double(self):
        peers_gone = "nft 'add table inet tf; add chain inet tf out {{ type filter hook output priority 0 ; }}; " \
                     "add rule inet tf out tcp dport 6222 drop; add rule inet tf out tcp sport 6222 drop'"
        with Cluster() as cluster:
            cluster.make_replicated()
            for what, trouble, heal in (
                    ("killed", lambda s: s.kill(), lambda s: s.start()),
                    ("cut off from all", lambda s: netns.sh(f"ip link set tf{s.i} down"), lambda s: netns.sh(f"ip link set tf{s.i} up")),
                    ("cut off from its peers", lambda s: s.inside(peers_gone.format()), lambda s: s.inside("nft delete table inet tf"))):
                with self.subTest(what):
                    self.through(cluster, trouble, heal)


if __name__ == "__main__":
    netns.enter()
    unittest.main(verbosity=2)
