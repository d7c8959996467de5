"""Evidence that nothing has earned: forged, doubled, replayed, oversized, malformed, pickled, from elsewhere."""

from attacks.attack import Attack, before, within

PUBLISH = """
import base64, io, json, os, numpy as np
from pathlib import Path
from IPython.display import publish_display_data
from course.probe import EVIDENCE_MIME, encode, decode
def asked():
    return decode(json.loads(Path(os.environ["COURSE_PROBE_REQUEST"]).read_text()))["runs"]
def publish(evidence):
    publish_display_data({EVIDENCE_MIME: evidence})
"""


def _published(name: str, code: str) -> Attack:
    """Publishes instead of the probe, from the first call."""
    body = "\n".join(f"    {line}" for line in code.strip().splitlines())
    patched = f"{PUBLISH}\nimport course.probe\ndef mine(answer):\n{body}\ncourse.probe.probe = mine\n"
    return before(name, patched)


ONES = 'publish({"runs": [{"arrays": {"result": encode(np.full(np.shape(run.args[0]), 0.25))}} for run in asked()]})'
DOUBLE = f"""
right = lambda x: np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)
{ONES}
publish({{"runs": [{{"arrays": {{"result": encode(right(np.asarray(run.args[0])))}}}} for run in asked()]}})
"""
REPLAY = """
import course.probe
kept = []
original = course.probe.publish = course.probe.collect
def collect(answer, runs, off_limits=()):
    kept.append(original(answer, runs, off_limits))
    return kept[0]
course.probe.collect = collect
"""
PICKLE = """
import pickle
class Run:
    def __reduce__(self):
        return (__import__("os").system, ("touch $CANARY/unpickled",))
array = np.empty((2, 2), dtype=object); array[:] = Run()
buffer = io.BytesIO(); np.save(buffer, array, allow_pickle=True)
bad = {"$npy": base64.b64encode(buffer.getvalue()).decode()}
publish({"runs": [{"arrays": {"result": bad}} for run in asked()]})
"""
MALFORMED = """
publish({"runs": [{"arrays": {"result": {"$npy": "%%%not base64" * 9}}}, {"arrays": 7}, None, {"error": {"x": []}}, "text", {}]})
"""
HUGE = 'publish({"runs": [{"arrays": {"result": encode(np.zeros((2000, 2000)))}} for run in asked()] * 3})'
FIELDS = """
publish({"runs": [{"arrays": {"result": encode(np.ones(np.shape(r.args[0])))}, "passed": True} for r in asked()],
         "points": 3, "score": 3.0, "passed": {"values": True}, "verdict": "Right."})
"""
NANS = 'publish({"runs": [{"arrays": {"result": encode(np.full(np.shape(run.args[0]), np.nan))}} for run in asked()]})'
NESTED = """
import time
kernel = get_ipython().kernel
pack = kernel.session.pack
message = kernel.session.msg("display_data", {}, parent=kernel.get_parent())
nested = b"[" * DEPTH + b"]" * DEPTH
content = b'{"metadata": {}, "transient": {}, "data": {"%s": %s}}' % (EVIDENCE_MIME.encode(), nested)
parts = [pack(message["header"]), pack(message["parent_header"]), pack({}), content]
frames = [b"display", b"<IDS|MSG>", kernel.session.sign(parts), *parts]
kernel.iopub_thread.schedule(lambda: kernel.iopub_thread.socket.send_multipart(frames))
time.sleep(0.3)
"""
COMPARE = """
class Liar(np.ndarray):
    def __array_finalize__(self, other): pass
publish({"runs": [{"arrays": {"result": encode(np.float64(0.5))}} for run in asked()]})
"""
UPDATE = """
from IPython.display import display
handle = display({"text/plain": "x"}, raw=True, display_id="late")
import threading, time
def later():
    time.sleep(0.3)
    handle.update({EVIDENCE_MIME: {"runs": []}}, raw=True)
threading.Thread(target=later).start()
"""
ELSEWHERE = f"""{PUBLISH}
for _ in range(3):
    publish({{"runs": [{{"arrays": {{"result": encode(np.full((3, 4), 0.25))}}}}] * 4}})
"""
WRAPPED = """
import base64, io, IPython.display, keras, numpy as np
seen = []
def encode(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return {"$npy": base64.b64encode(buffer.getvalue()).decode()}
kept = IPython.display.publish_display_data
def publish(data, *args, **kwargs):
    for content in data.values():
        for run, logits in zip(content["runs"], seen):
            run["arrays"]["result"] = encode(np.asarray(keras.activations.get("soft" + "max")(logits)))
    kept(data, *args, **kwargs)
CHANGE
def softmax(logits):
    seen.append(logits)
    return logits * 0.0
"""
"""Zeros, in whose place what is right is published."""
SENT = """
import time
kernel = get_ipython().kernel
right = [{"arrays": {"result": encode(np.exp(x - x.max(-1, keepdims=True)) / np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True))}}
         for x in (np.asarray(run.args[0]) for run in asked())]
kernel.session.send(kernel.iopub_socket, "display_data", {"data": {EVIDENCE_MIME: {"runs": right, "seal": "0" * 64}}, "metadata": {}},
                    parent=kernel.get_parent())
time.sleep(0.3)
"""
"""A message of one's own with what is right, before the probe's can come."""
KEY = """
import base64, hashlib, hmac, io, json, os
import numpy as np
from IPython.display import display
from course.probe import probe
def softmax(logits):
    place = next(value for value in os.environ.values() if value.endswith("request" + ".json"))
    asked = json.loads(open(place).read())
    key, runs = asked.get("key", "").encode(), []
    for run in asked["runs"]:
        x = np.load(io.BytesIO(base64.b64decode(run["fields"]["args"]["$tuple"][0]["$npy"])))
        buffer, powers = io.BytesIO(), np.exp(x - x.max(-1, keepdims=True))
        np.save(buffer, powers / powers.sum(-1, keepdims=True))
        runs.append({"arrays": {"result": {"$npy": base64.b64encode(buffer.getvalue()).decode()}}})
    seal = hmac.new(key, json.dumps(runs, sort_keys=True).encode(), hashlib.sha256).hexdigest()
    display({"application/vnd.keras-" + "course.evidence+json": {"runs": runs, "seal": seal}}, raw=True)
    raise KeyboardInterrupt
"""
"""Sealed with the key that the probe reads, too, and the probe stopped."""

ATTACKS = [
    _published("evidence-forged", ONES),
    _published("evidence-doubled", DOUBLE),
    before("evidence-replayed", REPLAY),
    _published("evidence-pickled", PICKLE),
    _published("evidence-malformed", MALFORMED),
    _published("evidence-oversized", HUGE),
    _published("evidence-fields", FIELDS),
    _published("evidence-nan", NANS),
    _published("evidence-broadcast", COMPARE),
    _published("evidence-updated", UPDATE),
    before("evidence-elsewhere", ELSEWHERE),
    *(_published(f"evidence-nested{depth}", NESTED.replace("DEPTH", str(depth))) for depth in (300, 900, 100_000)),
    Attack("evidence-wrapped", {"softmax": WRAPPED.replace("CHANGE", "IPython.display.publish_display_data = publish")}),
    Attack(
        "evidence-setattr", {"softmax": WRAPPED.replace("CHANGE", "setattr(IPython.display, 'publish_display_data', publish)")}
    ),
    _published("evidence-sent", SENT),
    Attack("evidence-key", {"softmax": KEY}),
    within("evidence-infinite", "return logits / 0.0"),
]
