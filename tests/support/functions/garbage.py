"""Accepts connections and answers with bytes that are not HTTP."""

from __future__ import annotations

import os
import socket

with socket.create_server(("127.0.0.1", int(os.environ["PORT"]))) as server:
    while True:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"this is not HTTP\r\n\r\n")
