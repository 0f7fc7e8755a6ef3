"""An HTTP proxy that tunnels (CONNECT), for tests; run alone it says where it is and who wanted to go where."""
import base64
import signal
import socket
import sys
import threading
import time

from tunnel import pump


class ConnectProxy:
    """An HTTP proxy that tunnels; answer: what it says instead of tunnelling (bytes), or None. user: who may."""

    def __init__(self, answer=None, user=None):
        self.answer, self.user, self.requests = answer, user, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def on_request(self, line):
        pass

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
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(4096)
            if not more:
                return
            head += more
        lines = head.decode().split("\r\n")
        self.requests.append(lines)
        self.on_request(lines[0])
        if self.answer is not None:
            client.sendall(self.answer)
            time.sleep(0 if self.answer else 60)
            client.close()
            return
        wanted = f"Proxy-Authorization: Basic {base64.b64encode(self.user.encode()).decode()}" if self.user else None
        if wanted and wanted not in lines:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            client.close()
            return
        method, target, version = lines[0].split(" ")
        assert (method, version) == ("CONNECT", "HTTP/1.1"), lines
        host, port = target.rsplit(":", 1)
        venue = socket.create_connection((host.strip("[]"), int(port)))
        client.sendall(b"HTTP/1.1 200 Connection established\r\nProxy-Agent: test\r\n\r\n")
        back = threading.Thread(target=pump, args=(venue, client), daemon=True)
        back.start()
        pump(client, venue)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    proxy = ConnectProxy(user=sys.argv[1] if len(sys.argv) > 1 else None)
    proxy.on_request = lambda line: print(line, flush=True)
    print(f"proxy on http://127.0.0.1:{proxy.port}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
