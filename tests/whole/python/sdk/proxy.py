"""A proxy that leads every tunnel to one port, so that the SDK may ask for port 443."""

import socket
import threading


def proxy_to(port):
    """Serves CONNECT on a port of its own, which it returns."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=_serve, args=(listener, port), daemon=True).start()
    return listener.getsockname()[1]


def _serve(listener, port):
    while True:
        client, _ = listener.accept()
        threading.Thread(target=_tunnel, args=(client, port), daemon=True).start()


def _tunnel(client, port):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte:
            return
        head += byte
    assert head.startswith(b"CONNECT "), head
    gateway = socket.create_connection(("127.0.0.1", port))
    client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
    for source, sink in ((client, gateway), (gateway, client)):
        threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        # One side has broken the connection, and the other is told.
        source.close()
        sink.close()
