"""A TCP proxy that breaks what passes: between the engine and the simulator, a thread a connection. What it does is said
per connection by plan(number) -> Fault, number from 0 in order of arrival."""
import dataclasses
import socket
import struct
import threading
import time

from ports import listener
from tunnel import shut


@dataclasses.dataclass
class Fault:
    reset_at: int = -1      # RST to the client once so many bytes of the server's have gone to it
    fin_at: int = -1        # FIN likewise
    freeze_at: int = -1     # nothing more passes, nothing is closed
    flip_at: int = -1       # the byte at this place has a bit changed
    segment: int = 0        # pieces of so many bytes, each sent by itself
    pause_s: float = 0.0    # between these pieces
    delay_s: float = 0.0    # what passes comes so much later, at most twice as much


class ChaosTcp:
    def __init__(self, target_port, plan):
        self.target_port, self.plan = target_port, plan
        self.listener = listener()
        self.port = self.listener.getsockname()[1]
        self.connections, self.faults_done, self.stopping = 0, 0, False
        self.sockets = set()
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
            except OSError:
                return
            fault = self.plan(self.connections)
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                client.close()
                continue
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.sockets.add(s)
            threading.Thread(target=self.pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, fault), daemon=True).start()

    def pump(self, source, sink, fault):
        passed = 0
        try:
            while data := source.recv(65536):
                if fault:
                    time.sleep(fault.delay_s)
                    data = self.break_it(sink, data, passed, fault)
                    if data is None:
                        return
                passed += len(data)
                if not fault or not fault.segment:
                    sink.sendall(data)
                for i in range(0, len(data), fault.segment) if fault and fault.segment else ():
                    sink.sendall(data[i:i + fault.segment])
                    time.sleep(fault.pause_s)
        except OSError:
            pass
        finally:
            shut(source, sink, close=False)

    def break_it(self, sink, data, passed, fault):
        """What of data goes on; None: the connection is over."""
        end = passed + len(data)
        if passed <= fault.flip_at < end:
            at = fault.flip_at - passed
            data = data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1:]
            self.faults_done += 1
        for at, how in ((fault.reset_at, "reset"), (fault.fin_at, "fin"), (fault.freeze_at, "freeze")):
            if at < 0 or end < at:
                continue
            sink.sendall(data[:at - passed])
            self.faults_done += 1
            if how == "freeze":
                while not self.stopping:
                    time.sleep(0.05)
            if how == "reset":
                sink.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sink.close()
            return None
        return data
