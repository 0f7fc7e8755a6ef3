"""A port for a server that a test starts later, or again: none of those that the kernel gives to outgoing connections. One of these could be
taken while the server is away, even by a client that dials it: on loopback a connection from a port to itself succeeds."""
import random
import socket

random_ports = random.SystemRandom()


def listener():
    """A socket that listens on such a port."""
    while True:
        try:
            return socket.create_server(("127.0.0.1", random_ports.randrange(10_000, 32_000)))
        except OSError:
            continue


def free_port():
    with listener() as s:
        return s.getsockname()[1]
