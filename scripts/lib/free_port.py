"""Print a TCP port on 127.0.0.1 that nobody uses at this moment."""
import socket

with socket.create_server(("127.0.0.1", 0)) as server:
    print(server.getsockname()[1])
