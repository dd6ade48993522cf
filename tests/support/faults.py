"""A TCP proxy that misbehaves on request, to put between a connector and its source."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress


class FaultProxy:
    """Forwards 127.0.0.1:`port` to a server on 127.0.0.1, until told otherwise:

    `stall()`: nothing more is passed on, in either direction, and nothing is closed.
    `black_hole()`: new connections are accepted and never answered.
    `cut_after(n, reset=...)`: after n more bytes from the server every connection ends, by FIN or by RST.
    `heal()`: back to forwarding. Connections that were stalled go on.
    """

    def __init__(self, target_port: int) -> None:
        self._target = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self._deaf = False
        self._left: int | None = None
        self._reset = False
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        self._flowing.clear()

    def black_hole(self) -> None:
        self._deaf = True

    def cut_after(self, count: int, *, reset: bool = False) -> None:
        self._left, self._reset = count, reset

    def heal(self) -> None:
        self._deaf, self._left = False, None
        self._flowing.set()

    def close(self) -> None:
        self._flowing.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # else the accepting thread keeps it listening
        self._listener.close()
        for connection in tuple(self._open):
            self._end(connection, reset=False)

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._open.add(client)
            if self._deaf:
                continue
            server = socket.create_connection(("127.0.0.1", self._target))
            self._open.add(server)
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, from_server: bool) -> None:
        with suppress(OSError):
            while data := source.recv(16384):
                self._flowing.wait()
                passed = self._allowed(data) if from_server else data
                sink.sendall(passed)
                if len(passed) < len(data):
                    break
        reset = self._reset and self._left is not None
        self._end(sink, reset)
        self._end(source, reset)

    def _allowed(self, data: bytes) -> bytes:
        with self._lock:
            if self._left is None:
                return data
            passed = data[: self._left]
            self._left -= len(passed)
            return passed

    def _end(self, connection: socket.socket, reset: bool) -> None:
        """`shutdown` first: a `close` while another thread is in `recv` sends nothing."""
        with suppress(OSError):
            if reset:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.shutdown(socket.SHUT_RD)  # sends nothing, but wakes the reader, whose hold would keep the RST back
            else:
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._open.discard(connection)
