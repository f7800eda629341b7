"""A closed-loop HTTP load over raw sockets, run as a process of its own on the other core.

An HTTP client library costs more than the handler that it measures; this sends prepared bytes and
looks for the end of an answer with a known length. `python -m bench.load PORT CONNECTIONS REQUESTS`
reads the request's bytes from standard input and prints latencies and rate as JSON.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """What a load run measured."""

    p50_seconds: float
    p99_seconds: float
    per_second: float


def run(request: bytes, port: int, *, connections: int = 1, requests: int = 20_000) -> Load:
    """Send `requests` copies of `request` and return what they took."""
    command = [sys.executable, "-m", "bench.load", str(port), str(connections), str(requests)]
    done = subprocess.run(command, input=request, capture_output=True, check=True)
    return Load(**json.loads(done.stdout))


def get(path: str) -> bytes:
    """Return the bytes of a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    """Return the bytes of a POST request."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _answer_size(request: bytes, port: int) -> int:
    """Return how many bytes one answer has, from a first one that is read with its length."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request)
        data = b""
        while b"\r\n\r\n" not in data:
            data += _received(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        if not head.startswith((b"HTTP/1.1 200", b"HTTP/1.1 204")):
            raise SystemExit(f"the server answered {head!r} {body!r}")
        return len(head) + 4 + _content_length(head)


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(1 << 18)
    if not data:
        raise SystemExit("the server closed the connection")
    return data


def _content_length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


class _Client:
    """One connection that always has one request under way."""

    def __init__(self, port: int, *, request: bytes, size: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._request = request
        self._size = size
        self._missing = 0
        self._sent_at = 0.0

    def send(self) -> None:
        self._missing = self._size
        self._sent_at = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> float | None:
        """Return the latency once the answer is whole."""
        self._missing -= len(_received(self.socket))
        return time.perf_counter() - self._sent_at if self._missing <= 0 else None


def _measure(request: bytes, port: int, *, connections: int, requests: int) -> Load:
    size = _answer_size(request, port)
    clients = [_Client(port, request=request, size=size) for _ in range(connections)]
    warm = min(requests // 10, 1000)
    _drive(clients, warm)
    started = time.perf_counter()
    latencies = sorted(_drive(clients, requests))
    seconds = time.perf_counter() - started
    count = len(latencies)
    return Load(latencies[count // 2], latencies[count * 99 // 100], count / seconds)


def _drive(clients: list[_Client], requests: int) -> list[float]:
    latencies: list[float] = []
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
            client.send()
        running = len(clients)
        while running:
            for key, _ in selector.select():
                latency = key.data.receive()
                if latency is None:
                    continue
                latencies.append(latency)
                if len(latencies) + running <= requests:
                    key.data.send()
                else:
                    running -= 1
    return latencies


def main() -> None:
    """Run the load that the arguments ask for."""
    if len(cores := os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {max(cores)})
    port, connections, requests = map(int, sys.argv[1:])
    load = _measure(sys.stdin.buffer.read(), port, connections=connections, requests=requests)
    print(json.dumps({name: getattr(load, name) for name in Load.__slots__}))


if __name__ == "__main__":
    main()
