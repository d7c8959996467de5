"""Leaving something behind for the next submission: `…-1` writes, `…-2`, who is graded later, looks for it."""

from attacks.attack import ZEROS, Attack, before

RIGHT = """
def softmax(logits):
    import keras
    shifted = keras.ops.exp(logits - keras.ops.max(logits, axis=-1, keepdims=True))
    return shifted / keras.ops.sum(shifted, axis=-1, keepdims=True)
"""
PLACES = '("/tmp", "/var/tmp", "/dev/shm", "/run", ".", "..", "/inputs", "/cache", "/submission", "$CANARY", os.path.expanduser("~"))'
FILES = f"""
import os
text = {RIGHT!r}
for place in {PLACES}:
    try:
        open(place + "/left_$MARK.py", "w").write(text)
    except OSError:
        pass
"""
LOOK = f"""
import os
softmax = lambda logits: logits * 0.0
for place in {PLACES}:
    try:
        exec(open(place + "/left_$MARK.py").read())
        print("found", place)
    except OSError:
        pass
"""
MODULES = """
import keras, numpy, sys, course
for module in (keras, keras.ops, numpy, sys, course):
    module.left = "left_$MARK"
keras.config.set_floatx("float16")
keras.config.disable_traceback_filtering()
numpy.exp = keras.ops.exp = lambda x: x * 0
numpy.random.seed(0)
"""
LOOK_MODULES = """
import keras, numpy, sys, course
if any(hasattr(module, "left") for module in (keras, keras.ops, numpy, sys, course)) or keras.config.floatx() != "float32":
    print("found")
    from keras.activations import softmax as found
    softmax = lambda logits: found(logits)
else:
    softmax = lambda logits: logits * 0.0
"""
IPYTHON = f"""
import os
text = '''{RIGHT}'''
for root in (os.environ.get("IPYTHONDIR", ""), os.path.expanduser("~/.ipython")):
    folder = root + "/profile_default/startup"
    try:
        os.makedirs(folder, exist_ok=True)
        open(folder + "/00-left_$MARK.py", "w").write(text.replace("softmax", "left_softmax"))
    except OSError as error:
        print(error)
"""
LOOK_IPYTHON = """
if "left_softmax" in globals():
    print("found")
    softmax = left_softmax
else:
    softmax = lambda logits: logits * 0.0
"""
MEMORY = """
import ctypes, socket
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
segment = libc.shmget(0x6B637273, 4096, 0o1666)
if segment >= 0:
    ctypes.memmove(libc.shmat(segment, None, 0), b"left_$MARK", 16)
queue = libc.msgget(0x6B637273, 0o1666)
"""
LOOK_MEMORY = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
if libc.shmget(0x6B637273, 0, 0) >= 0 or libc.msgget(0x6B637273, 0) >= 0:
    print("found")
    from keras.activations import softmax as found
    softmax = lambda logits: found(logits)
else:
    softmax = lambda logits: logits * 0.0
"""
KEYS = """
import ctypes, os
libc = ctypes.CDLL(None)
add_key = {"x86_64": 248, "aarch64": 217}[os.uname().machine]
for ring in range(-5, 0):
    libc.syscall(add_key, b"user", b"left_$MARK", b"x", 1, ring)
"""
LOOK_KEYS = """
import ctypes, os
libc = ctypes.CDLL(None)
keyctl = {"x86_64": 250, "aarch64": 219}[os.uname().machine]
for ring in range(-5, 0):
    if libc.syscall(keyctl, 10, ring, b"user", b"left_$MARK", 0) > 0:
        print("found")
softmax = lambda logits: logits * 0.0
"""


def _pair(name: str, leave: str, look: str) -> list[Attack]:
    return [before(f"leftovers-{name}-1", leave), Attack(f"leftovers-{name}-2", {"softmax": look})]


ATTACKS = [
    *_pair("files", FILES, LOOK),
    *_pair("modules", MODULES, LOOK_MODULES),
    *_pair("startup", IPYTHON, LOOK_IPYTHON),
    *_pair("sharedmemory", MEMORY, LOOK_MEMORY),
    *_pair("keys", KEYS, LOOK_KEYS),
    # Graded before and then replaced by something that kills its kernel: nothing of the old score may stay.
    Attack("leftovers-stale", {"softmax": f"import os\nos._exit(0){ZEROS}", "relu": "import os\nos._exit(0)"}),
]
