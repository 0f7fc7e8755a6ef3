"""What the servers of these tests that stand between an engine and a venue share: bytes passed on, sockets ended."""
import socket
import time


def shut(*sockets, close=True):
    """Wakes whoever waits on one of them, which a close alone does not."""
    for s in sockets:
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        if close:
            s.close()


def pump(source, sink, delay_s=0):
    """One way, each piece so much later, until either end is gone; then both are."""
    try:
        while data := source.recv(65536):
            time.sleep(delay_s)
            sink.sendall(data)
    except OSError:
        pass
    shut(source, sink)
