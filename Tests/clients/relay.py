"""Stands between a node that dials and one that answers: passes their bytes on, remembers those of the first, and may say them again or spoil them."""

import socket
import threading


class Relay:
    """On a free port of the loopback interface. As a context manager it ends its connections."""

    def __init__(self, host, port):
        self.target = (host, port)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        # What came of each connection from who dialed, and both ends of it.
        self.recorded, self.ends = [], []
        self._spoils = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
                far = socket.create_connection(self.target)
            except OSError:
                return
            self.recorded.append(bytearray())
            self.ends.append((near, far))
            for source, sink, record in ((near, far, self.recorded[-1]), (far, near, None)):
                threading.Thread(target=self._pass, args=(source, sink, record), daemon=True).start()

    def _pass(self, source, sink, record):
        try:
            while data := source.recv(65_536):
                if record is not None:
                    record += data
                    if self._spoils:
                        self._spoils = False
                        data = data[:-1] + bytes([data[-1] ^ 1])
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def records(self, connection):
        """The whole TLS records that who dialed has sent over a connection."""
        data, records = bytes(self.recorded[connection]), []
        while len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[3:5], "big"):
            end = 5 + int.from_bytes(data[3:5], "big")
            records.append(data[:end])
            data = data[end:]
        return records

    def say(self, data):
        """Says something to who was dialed, over the newest connection, as if it came from who dialed."""
        self.ends[-1][1].sendall(data)

    def spoil(self):
        """Turns a bit of what comes next."""
        self._spoils = True

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()
        for pair in self.ends:
            for end in pair:
                end.close()
