"""A local port that leads to a port of a pod, for as long as the context lasts."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Any

from dharma_operator.cli.cluster import Cluster
from dharma_operator.cli.package import streams

CHUNK = 65536


class Forward:
    """Context manager; gives the local port number. Each connection to it is one forwarded stream."""

    def __init__(self, cluster: Cluster, namespace: str, pod: str, port: int) -> None:
        self._target = (cluster, namespace, pod, port)
        self._listener = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        local: int = self._listener.getsockname()[1]
        return local

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:  # closed: the context has ended
                return
            threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        cluster, namespace, pod, port = self._target
        # A client of its own: the package swaps a method of the shared one while a stream opens.
        stream: Any = streams.portforward(cluster.core().connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))
        far: Any = stream.socket(port)
        ways = [
            threading.Thread(target=_copy, args=(near, far), daemon=True),
            threading.Thread(target=_copy, args=(far, near), daemon=True),
        ]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        near.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    """Copy bytes until one side closes, then tell the other."""
    with contextlib.suppress(OSError):
        while data := source.recv(CHUNK):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
