"""A line that is bad, without a network namespace: a TCP proxy whose two directions swallow, lose or narrow what passes,
changed while it runs. TCP hides a lost packet from who reads: what is behind it comes late, a round trip where the
packet alone was lost, a retransmission's time-out where its repeat was too. So that is what this does."""
import random
import socket
import threading
import time

from tunnel import shut

SEGMENT = 1448  # bytes of a packet
ROUND_TRIP_S, TIME_OUT_S = 0.005, 0.2


class BadLine:
    def __init__(self, target_port, seed=1):
        self.target_port, self.random = target_port, random.Random(seed)
        self.swallows = frozenset()  # of "up" (to the venue) and "down": nothing passes, nothing is closed
        self.chance = 0.0            # of a packet to be lost, down
        self.bytes_per_s = 0         # down; 0: as wide as it comes
        self.lost = self.swallowed = 0
        self.stopping, self.sockets = False, set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"ws://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopping = True
        shut(self.listener, *self.sockets)

    def accept(self):
        while not self.stopping:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                if self.stopping:
                    return
                continue
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sockets.add(s)
            threading.Thread(target=self.pump, args=(client, server, "up"), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, "down"), daemon=True).start()

    def pump(self, source, sink, way):
        """A hole that ends leaves no stream behind it that could go on: what it swallowed is missing, so the connection is
        cut there."""
        try:
            while data := source.recv(SEGMENT):
                if way in self.swallows:
                    self.swallowed += len(data)
                    while way in self.swallows and not self.stopping:
                        time.sleep(0.01)
                    return
                self.delay(len(data), way)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            shut(source, sink, close=False)

    def delay(self, cnt, way):
        if way != "down":
            return
        if self.bytes_per_s:
            time.sleep(cnt / self.bytes_per_s)
        wait_s = ROUND_TRIP_S
        while self.chance and self.random.random() < self.chance:
            self.lost += 1
            time.sleep(wait_s)
            wait_s = max(TIME_OUT_S, 2 * wait_s)
