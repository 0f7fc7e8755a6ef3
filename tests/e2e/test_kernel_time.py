"""engine.kernel_timestamps: receive times are the kernel's, whatever the loop and whether or not there is TLS. What proves it
is an engine that is stopped while bytes arrive: they are as old as it was stopped for."""
import pathlib
import signal
import socket
import sys
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness import Exchange, LiveEngine, main, wait_until

PAUSE = 0.05


class HeldRelay:
    """A TCP relay whose way from the venue can be held: what comes meanwhile is kept, each connection's by itself."""

    def __init__(self, port):
        self.target, self.held, self.kept = port, False, {}
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            venue = socket.create_connection(("127.0.0.1", self.target))
            self.kept[client] = b""
            threading.Thread(target=self.up, args=(client, venue), daemon=True).start()
            threading.Thread(target=self.down, args=(venue, client), daemon=True).start()

    @staticmethod
    def up(client, venue):
        try:
            while data := client.recv(65536):
                venue.sendall(data)
        except OSError:
            pass

    def down(self, venue, client):
        try:
            while data := venue.recv(65536):
                with self.lock:
                    if self.held:
                        self.kept[client] += data
                    else:
                        client.sendall(data)
        except OSError:
            pass

    def hold(self, held):
        with self.lock:
            self.held = held
            self.send()

    def send(self):
        for client, data in self.kept.items():
            try:
                client.sendall(data)
            except OSError:
                pass  # the engine has left it
            self.kept[client] = b""

    def release(self):
        """What was kept goes out at once, and it is held on."""
        with self.lock:
            self.send()


class KernelTime(unittest.TestCase):
    def sums(self, engine):
        metrics = engine.metrics()
        return [metrics.get(("tickfuse_stage_latency_seconds_sum", stage), 0) for stage in ("receive", "tick_to_decision")]

    def is_old_by_a_pause(self, engine, relay):
        """Stopped while bytes arrive; False where its connection was another one just then."""
        relay.hold(True)
        time.sleep(0.3)  # it has read all that was under way
        before = self.sums(engine)
        engine.process.send_signal(signal.SIGSTOP)
        time.sleep(0.02)
        relay.release()
        time.sleep(PAUSE)
        engine.process.send_signal(signal.SIGCONT)
        time.sleep(1)  # for the metrics to be new
        after = self.sums(engine)
        relay.hold(False)
        return all(b - a >= PAUSE for a, b in zip(before, after))

    def paused(self, io, *args):
        """A connection that a busy machine ends meanwhile is no answer: then once more."""
        self.assertTrue(any(self.is_seen(io, *args) for _ in range(6)))

    def is_seen(self, io, *args):
        with Exchange(*args) as exchange, HeldRelay(int(exchange.url.rsplit(":", 1)[1])) as relay:
            exchange.sets = [exchange.sets[0].rsplit(":", 1)[0] + f":{relay.port}", exchange.sets[1]]
            sets = ["engine.kernel_timestamps=true", f"engine.io={io}"]
            sets += [f"feeds.0.ca_file={exchange.ca[0]}"] if exchange.ca else []
            with LiveEngine(exchange, *sets) as engine:
                wait_until(lambda: engine.is_live() and engine.count("tickfuse_decisions_total") > 0, what="decisions")
                taken = lambda: engine.count("tickfuse_io_kernel_stamps_total", "taken")
                wait_until(lambda: taken() > 10, what="stamps")
                is_old = self.is_old_by_a_pause(engine, relay)
                got, _ = engine.finish()
                self.assertEqual(got["ledger"]["residual"], 0)
                return is_old and got["latency_ns"]["tick_to_decision"]["max"] >= PAUSE * 1e9

    def test_plain_on_io_uring(self):
        self.paused("auto")

    def test_plain_on_epoll(self):
        self.paused("epoll")

    def test_tls_on_io_uring(self):
        self.paused("auto", "--tls")

    def test_tls_on_epoll(self):
        self.paused("epoll", "--tls")

    def test_without_it_no_socket_is_asked(self):
        with Exchange() as exchange, LiveEngine(exchange) as engine:
            wait_until(lambda: engine.count("tickfuse_decisions_total") > 0, what="decisions")
            metrics = engine.metrics()
            self.assertEqual(metrics["tickfuse_io_kernel_stamps_total"], 0)
            self.assertNotIn(("tickfuse_stage_latency_seconds_count", "receive"), metrics)
            engine.finish()


if __name__ == "__main__":
    main()
