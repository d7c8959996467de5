"""The sandbox seen from inside, its limits, the fork server, and what is left when the grader is killed."""

import asyncio
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from jupyter_client.channels import HBChannel
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbformat.v4 import new_code_cell, new_notebook

from course.probe import Call
from grader.errors import SandboxError
from grader.running.execution import Request, execute
from grader.running.kernels import forkserver
from grader.running.kernels.limits import Limits
from grader.running.kernels.provisioner import NAME
from grader.running.kernels.settings import Kernels, keras_environment
from sandboxes import needs_sandbox

pytestmark = [pytest.mark.slow, needs_sandbox]


@asynccontextmanager
async def client_of(manager):
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def said(client, code):
    """What a cell printed; an error in it fails the test."""
    messages = []
    reply = await client.execute_interactive(code, output_hook=messages.append, timeout=60)
    content = reply["content"]
    assert content["status"] == "ok", "\n".join(content.get("traceback", []))
    return "".join(message["content"]["text"] for message in messages if message["content"].get("name") == "stdout")


def inside(tmp_path, code, backend="tensorflow", limits=None):
    """What code prints in a sandbox of its own."""

    async def run():
        manager = Kernels(backend, limits or Limits()).manager(tmp_path, None)
        async with client_of(manager) as client:
            return await said(client, code)

    tmp_path.chmod(0o755)
    return asyncio.run(run())


FACTS = """
import ctypes, errno, importlib.util, json, os, socket
from pathlib import Path

def error_of(act, *arguments):
    try:
        act(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return "done"

libc = ctypes.CDLL(None, use_errno=True)
def called(function, *arguments):
    if function(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

acts = (
    (called, libc.unshare, 0x10000000),
    (called, libc.shmget, 0, 4096, 0o1600),
    (called, libc.syscall, {"x86_64": 250, "aarch64": 219}[os.uname().machine], 0, -3, 0),  # keyctl
    (os.memfd_create, "x"),
    (socket.socket, socket.AF_VSOCK),
    (socket.socket, socket.AF_ALG, socket.SOCK_SEQPACKET),
)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
places = ["/", "/tmp/work", "/tmp", "/dev/shm", "/run", "/usr/lib", "/inputs", os.path.dirname(os.__file__), "/dev", "/proc"]
def write(place):
    Path(place, "written").write_text("x")
print(json.dumps({
    "root": sorted(os.listdir("/")),
    "packages": {name: importlib.util.find_spec(name) is not None for name in ("course", "grader", "solutions")},
    "environment": sorted(os.environ),
    "capabilities": [status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")],
    "no_new_privs": status["NoNewPrivs"].strip(),
    "uids": len(set(status["Uid"].split())) == 1 and os.getuid() != 0,
    "processes": len([name for name in os.listdir("/proc") if name.isdigit()]),
    "interfaces": [name for _, name in socket.if_nameindex()],
    "connect": error_of(socket.create_connection, ("127.0.0.1", PORT), 2),
    "abstract": error_of(socket.socket(socket.AF_UNIX).connect, "\\0" + ABSTRACT),
    "refused": [error_of(*act) for act in acts],
    "writable": [place for place in places if error_of(write, place) == "done"],
    "secret": sorted(str(path) for path in Path("/").glob("*/*/.course-secret")),
    "kill": error_of(os.kill, 1, 9),
    "alive": True,
}))
"""


def test_what_exists_and_what_is_allowed_inside(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADER_PASSWORD", "hunter2")
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        name = f"keras-course-{os.getpid()}"
        abstract.bind("\0" + name)
        abstract.listen()
        given = f"PORT, ABSTRACT = {listener.getsockname()[1]}, {name!r}"
        facts = json.loads(inside(tmp_path, f"{given}\n{FACTS}"))
    assert set(facts["root"]) <= {
        "cat",
        "dev",
        "etc",
        "inputs",
        "lib",
        "lib32",
        "lib64",
        "proc",
        "run",
        "sys",
        "tmp",
        "usr",
    } | {Path(path).parts[1] for path in (sys.prefix, sys.base_prefix, str(Path(__file__).parent))}
    assert facts["packages"] == {"course": True, "grader": False, "solutions": False}
    assert not {"GRADER_PASSWORD", "PATH", "PWD", "LOGNAME"} & set(facts["environment"])
    assert facts["capabilities"] == ["0" * 16] * 5
    assert (facts["no_new_privs"], facts["uids"]) == ("1", True)
    assert facts["processes"] <= 3
    assert facts["interfaces"] == ["lo"]
    assert facts["connect"] in ("ENETUNREACH", "ECONNREFUSED") and facts["abstract"] == "ECONNREFUSED"
    assert facts["refused"] == ["ENOSYS"] * 4 + ["EAFNOSUPPORT"] * 2
    assert facts["writable"] == ["/tmp/work", "/tmp", "/dev/shm", "/run"]
    assert facts["secret"] == []
    assert facts["kill"] in ("done", "EPERM") and facts["alive"]


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_forked_kernel_computes_and_differentiates(tmp_path, backend):
    code = """
import keras, numpy as np
model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
before = model.get_weights()[0].copy()
model.fit(np.ones((8, 2)), np.ones((8, 1)) * 7, verbose=0)
print(keras.backend.backend(), bool(np.abs(model.get_weights()[0] - before).min() > 0))
"""
    assert inside(tmp_path, code, backend) == f"{backend} True\n"


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_kernel_finds_all_that_it_starts_with_imported(tmp_path, backend):
    """What the server has not imported, each of its kernels would: `gc.freeze` hid the server's modules from this list."""
    code = """
import gc, types
print([found.__name__ for found in gc.get_objects() if isinstance(found, types.ModuleType)])
"""
    assert inside(tmp_path, code, backend) == "['__main__']\n"


def test_nobody_waits_for_a_heartbeat(tmp_path):
    """Jupyter's thread waits for ever if the kernel ends between a beat and the next, and whoever stops it waits for it."""

    async def run():
        async with client_of(Kernels("tensorflow", Limits()).manager(tmp_path, None)) as client:
            await said(client, "")
            return [thread for thread in threading.enumerate() if isinstance(thread, HBChannel)]

    assert asyncio.run(run()) == []


def test_each_thread_gets_the_answer_to_its_own_question():
    """A worker of Dask's may have several threads, and an answer does not say whose it is."""
    server = object.__new__(forkserver.ForkServer)
    server._channel, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server._asking = threading.Lock()

    def ask(number):
        (end,) = server._ask({"number": number}, [], 5)
        with os.fdopen(end) as answer:
            return int(answer.read())

    def answer():
        while asked := other.recv(1 << 20):
            read, write = os.pipe()
            os.write(write, str(json.loads(asked)["number"]).encode())
            os.close(write)
            socket.send_fds(other, [b"{}"], [read])
            os.close(read)

    with other, server._channel, ThreadPoolExecutor(9) as threads:
        answering = threads.submit(answer)
        assert list(threads.map(ask, range(200))) == list(range(200))
        server._channel.shutdown(socket.SHUT_RDWR)
        answering.result()


TRAINED = """
import keras, tensorflow
from pathlib import Path
keras.utils.set_random_seed(1)
x = keras.random.normal((200, 4))
computing = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")].count("tf_Compute\\n")
model = keras.Sequential([keras.layers.Dense(8, activation="relu"), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, x[:, :1], epochs=5, verbose=0)
print([weights.tolist() for weights in model.get_weights()])
print(tensorflow.data.Dataset.range(3).options().autotune.enabled)
print(computing)
"""


def test_what_is_trained_is_the_same_as_without_our_settings(tmp_path):
    ours, untuned, threads = inside(tmp_path, TRAINED).splitlines()
    command = [sys.executable, "-c", TRAINED]
    done = subprocess.run(command, env=os.environ | keras_environment("tensorflow"), capture_output=True, text=True, check=True)
    plain, tuned, _ = done.stdout.splitlines()
    assert (ours, untuned) == (plain, "False") and tuned == "None"
    assert threads == "1"


def test_nothing_passes_from_one_kernel_to_the_next(tmp_path):
    leave = """
import keras, os, random, sys, numpy
keras.left = sys.left = numpy.left = 1
keras.config.set_floatx("float64")
os.environ["LEFT"] = "1"
for folder in ("/tmp", "/tmp/work", "/dev/shm", "/run", os.environ["IPYTHONDIR"]):
    open(folder + "/left", "w").write("left")
"""
    look = """
import keras, os, random, sys, numpy
found = [hasattr(module, "left") for module in (keras, sys, numpy)]
files = [path for path in ("/tmp", "/tmp/work", "/dev/shm", "/run", os.environ["IPYTHONDIR"]) if os.path.exists(path + "/left")]
print(any(found), files, "LEFT" in os.environ, keras.config.floatx(), random.random(), numpy.random.rand())
"""
    first = inside(tmp_path, look).split()
    inside(tmp_path, leave)
    second = inside(tmp_path, look).split()
    assert first[:4] == second[:4] == ["False", "[]", "False", "float32"]
    assert len({*first[4:], *second[4:]}) == 4  # each kernel has randomness of its own


def zygote_and_server(tmp_path):
    """The process ids of what a kernel is forked from."""
    assert inside(tmp_path, "print(1)") == "1\n"
    key = forkserver._key("tensorflow", Kernels("tensorflow")._environment)
    handle = forkserver._servers[key]._handle
    (line,) = (line for line in Path(f"/proc/self/fdinfo/{handle}").read_text().splitlines() if line.startswith("Pid:"))
    return forkserver.zygotes[key]._process.pid, int(line.split()[1])


def kill(number):
    handle = os.pidfd_open(number)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    assert select.select([handle], [], [], 10)[0]
    os.close(handle)


def test_what_a_kernel_needs_is_replaced_when_it_dies(tmp_path):
    zygote, server = zygote_and_server(tmp_path)
    kill(server)
    same, other = zygote_and_server(tmp_path)
    assert same == zygote and other != server
    kill(zygote)
    assert zygote_and_server(tmp_path) == (zygote, other)  # a server needs it no more
    kill(other)
    assert not {zygote, other} & {*zygote_and_server(tmp_path)}


def test_what_cannot_be_imported_is_told_and_tried_again(tmp_path, monkeypatch):
    for process in zygote_and_server(tmp_path):
        kill(process)
    with monkeypatch.context() as patch:
        patch.setattr(forkserver, "MODULES", ("no_such_module",))
        for _ in range(2):
            with pytest.raises(SandboxError, match="No module named 'no_such_module'"):
                forkserver.ForkServer.of("tensorflow", Kernels("tensorflow")._environment)
    assert inside(tmp_path, "print(1)") == "1\n"


def test_zygote_and_server_hold_nothing_of_the_grader(tmp_path):
    for process in map(psutil.Process, zygote_and_server(tmp_path)):
        assert not any("/grader/" in mapped.path and not mapped.path.endswith("forked.py") for mapped in process.memory_maps())
        assert not [name for name in process.environ() if "GRADER" in name or "SECRET" in name]


def run_answer(body, **limits):
    """Why an answer whose cell runs this code gives no evidence; "" if it does. The next one must always give some."""
    cells = [new_code_cell("import numpy as np", metadata={"nbgrader": {"grade_id": "setup"}})]
    for name, source in (("bad", f"{body}\ndef bad(x):\n    return x"), ("good", "def good(x):\n    return x")):
        cells.append(new_code_cell(source, metadata={"nbgrader": {"grade_id": name, "solution": True}}))
        cells.append(new_code_cell(f"probe({name})", metadata={"nbgrader": {"grade_id": f"{name}-check", "grade": True}}))
    requests = {f"{name}-check": Request([Call((3,))]) for name in ("bad", "good")}
    notebook = new_notebook(cells=cells)
    found = execute(notebook, requests, Kernels("tensorflow", Limits(**limits))).evidence
    assert found["good-check"].payload is not None, found["good-check"].reason
    return found["bad-check"].reason, notebook


NOBODY_WAITS = """
import contextlib, os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so the system adds no child's time to its parent's
for _ in range(6):
    if not os.fork():
        end = time.process_time() + 1
        while time.process_time() < end: pass
        os._exit(0)
    with contextlib.suppress(ChildProcessError): os.wait()
"""
MANY_FRAMES = """
import time
kernel = get_ipython().kernel
message = kernel.session.msg("stream", {"name": "stdout", "text": "x"}, parent=kernel.get_parent())
frames = [b"stream", *kernel.session.serialize(message), *[bytes(15_000_000)] * 90]
kernel.iopub_thread.schedule(lambda: kernel.iopub_thread.socket.send_multipart(frames))
time.sleep(9)
"""


@pytest.mark.parametrize(
    ("body", "limits", "sentence"),
    [
        ("while True: pass", {"cell_seconds": 3}, "was stopped after 3 s: is there an endless loop?"),
        (NOBODY_WAITS, {"cell_seconds": 3, "wall_factor": 10}, "was stopped after 3 s"),
        ("import time; time.sleep(99)", {"cell_seconds": 2, "wall_factor": 2}, "was stopped after 2 s"),
        ("x = bytearray(900_000_000); x[::4096] = x[::4096]", {"memory": 800}, "MemoryError"),
        (
            "import mmap, time\nkept = []\nfor _ in range(9):\n    kept.append(mmap.mmap(-1, 200_000_000))\n"
            "    kept[-1][::4096] = b'x' * len(kept[-1][::4096])\ntime.sleep(9)",
            {"memory": 800},
            "more than 800 MB of memory",
        ),
        (
            "import os\nwhile True: os.fork()",
            {"processes": 100, "cell_seconds": 20},
            "BlockingIOError|100 processes|stopped after",
        ),
        ("open('x', 'wb').write(b'x' * 60_000_000)", {"disk": 50}, "File too large|No space left"),
        (
            "for k in range(9):\n    open(f'x{k}', 'wb').write(b'x' * 20_000_000)",
            {"disk": 50},
            "No space left",
        ),
        (
            "import os, threading, time\nfor _ in range(300): threading.Thread(target=time.sleep, args=(30,)).start()",
            {"processes": 120},
            "started 120 processes and threads",
        ),
        ("while True: print('x' * 10_000)", {"flood": 3_000_000}, "print(ed)? more than 3000000 characters"),
        (MANY_FRAMES, {"waiting": 500}, "more than 500 MB of its output waited"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", {}, "kernel died"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", {"cell_seconds": 2, "wall_factor": 2}, "stopped after 2 s"),
    ],
)
def test_what_is_over_a_limit_ends_that_cell_with_a_sentence(body, limits, sentence):
    reason, _ = run_answer(body, **limits)
    assert re.search(sentence, reason), reason


def test_the_notebooks_time_ends_the_notebook():
    cells = [new_code_cell("import numpy as np", metadata={"nbgrader": {"grade_id": "setup"}})]
    for name in "abc":
        loop = f"import time\nend = time.process_time() + 4\nwhile time.process_time() < end: pass\ndef {name}(x): return x"
        cells.append(new_code_cell(loop, metadata={"nbgrader": {"grade_id": name, "solution": True}}))
        cells.append(new_code_cell(f"probe({name})", metadata={"nbgrader": {"grade_id": f"{name}-check", "grade": True}}))
    requests = {f"{name}-check": Request([Call((3,))]) for name in "abc"}
    found = execute(
        new_notebook(cells=cells), requests, Kernels("tensorflow", Limits(notebook_seconds=7, cell_seconds=60))
    ).evidence
    assert found["a-check"].payload is not None
    assert "the whole notebook took more than 7 s" in found["b-check"].reason
    assert found["c-check"].reason == "the notebook's time was up before it."


def test_all_kernels_of_a_notebook_have_one_clock():
    cells = [new_code_cell("import numpy as np", metadata={"nbgrader": {"grade_id": "setup"}})]
    cells.append(new_code_cell("import time; time.sleep(3)"))
    for name in "abcd":
        body = f"def {name}(x):\n    import os\n    os._exit(0)"
        cells.append(new_code_cell(body, metadata={"nbgrader": {"grade_id": name, "solution": True}}))
        cells.append(new_code_cell(f"probe({name})", metadata={"nbgrader": {"grade_id": f"{name}-check", "grade": True}}))
    requests = {f"{name}-check": Request([Call((3,))]) for name in "abcd"}
    limits = Limits(notebook_seconds=4, cell_seconds=4, wall_factor=2)
    found = execute(new_notebook(cells=cells), requests, Kernels("tensorflow", limits)).evidence
    assert "died" in found["a-check"].reason
    assert found["d-check"].reason == "the notebook's time was up before it."


def test_output_over_the_limit_is_dropped_and_costs_nothing():
    reason, notebook = run_answer("print('x' * 5_000)\nprint('y' * 900)", cell_output=1000)
    assert reason == ""
    assert len(json.dumps(notebook)) < 8_000


def test_a_kernelspec_that_names_the_provisioner_gets_a_sandboxed_kernel(tmp_path):
    folder = tmp_path / "kernels" / "sandboxed"
    folder.mkdir(parents=True)
    spec = {"argv": [], "display_name": "Sandboxed", "language": "python"}
    spec["metadata"] = {"kernel_provisioner": {"provisioner_name": NAME, "config": {"backend": "tensorflow"}}}
    (folder / "kernel.json").write_text(json.dumps(spec))

    async def run():
        specs = KernelSpecManager(kernel_dirs=[str(folder.parent)])
        async with client_of(AsyncKernelManager(kernel_name="sandboxed", kernel_spec_manager=specs)) as client:
            return await said(client, "import os, keras; print(os.path.exists('/home'), keras.backend.backend())")

    assert asyncio.run(run()) == "False tensorflow\n"


GRADER = """
import asyncio, signal, sys
from pathlib import Path
from grader.running.kernels.settings import Kernels

signal.signal(signal.SIGINT, signal.default_int_handler)  # which shells turn off for jobs in the background

async def main():
    manager = Kernels("tensorflow").manager(Path(sys.argv[1]), None)
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    daemons = "for _ in range(3):\\n    if not os.fork(): os.setsid(); time.sleep(600)"
    client.execute(f"import os, time\\n{daemons}\\nwhile True: pass")
    await asyncio.sleep(1)
    print("running", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_grader_leaves_no_process_and_no_mount(tmp_path, sent):
    tmp_path.chmod(0o755)
    mounts = Path("/proc/self/mountinfo").read_text()
    with subprocess.Popen(
        [sys.executable, "-c", GRADER, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as grader:
        grader.stdout.readline()
        family = psutil.Process(grader.pid).children(recursive=True)
        assert len(family) >= 8  # zygote, fork server, bubblewrap, its first process, kernel, three daemons
        grader.send_signal(sent)
    _, alive = psutil.wait_procs(family, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
    assert Path("/proc/self/mountinfo").read_text() == mounts
    deadline = time.monotonic() + 10
    while (left := list(tmp_path.glob("keras-course-*"))) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == []


DYING = """
import os, signal, sys, zmq
from grader.running.kernels.provisioner import SandboxManager

messages = 0
for number in range(10):
    address = f"ipc://{sys.argv[1]}/{number}"
    listens, listening = os.pipe()
    if not (kernel := os.fork()):
        outputs = zmq.Context().socket(zmq.XPUB)
        outputs.bind(address)
        os.write(listening, b"!")
        outputs.recv()  # the subscription
        for _ in range(100):
            outputs.send_multipart([b"a"] * 1000)
        os._exit(0)
    os.read(listens, 1)
    waits = SandboxManager().client().context
    context = zmq.Context.shadow(waits)
    context.sockopts.update(waits.sockopts)
    received = context.socket(zmq.SUB)
    received.linger = 0
    received.connect(address)
    received.subscribe(b"")
    received.poll(1000)
    while received.poll(20):
        assert len(received.recv_multipart()) == 1000
        messages += 1
    received.close()
    os.kill(kernel, signal.SIGKILL)
    os.waitpid(kernel, 0)
print("survived" if messages else "nothing came")
"""


def test_a_kernel_that_dies_amid_its_outputs_does_not_end_the_grader(tmp_path):
    command = [sys.executable, "-c", DYING, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.stdout == "survived\n", done.stderr
