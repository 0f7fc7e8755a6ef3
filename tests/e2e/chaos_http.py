"""Servers that are not the venue: each accepts, reads a request, and answers what it was told to, raw."""
import socket
import threading
import time


class ChaosHttp:
    """answer(number) -> bytes, or a list of (seconds, bytes) to drip; None: nothing, and the connection stays open."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.times, self.open = [], []
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for s in self.open:
            s.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.times.append(time.monotonic())
            self.open.append(client)
            threading.Thread(target=self.serve, args=(client, self.answer(len(self.times) - 1)), daemon=True).start()

    @staticmethod
    def serve(client, answer):
        try:
            request = b""
            while b"\r\n\r\n" not in request:
                data = client.recv(4096)
                if not data:
                    return
                request += data
            if answer is None:
                return
            for pause, data in answer if isinstance(answer, list) else [(0, answer)]:
                time.sleep(pause)
                client.sendall(data)
            client.shutdown(socket.SHUT_WR)
        except OSError:
            pass
