"""Scripts and remote pictures of students', aimed at whoever opens what was graded: nothing runs, and nothing is fetched.

The pages are opened in headless Chromium; whatever runs or loads there asks a server of this test's for a page of its name.
"""

import html
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from nbconvert.exporters import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output, new_raw_cell

from attacks.attack import Attack
from attacks.classroom import REPOSITORY, UNIT, Classroom
from grader.judging.judge import RIGHT
from grader.shown import NotPlain, as_written, output_content
from sandboxes import needs_sandbox

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
STUDENT = "display-everything"
BREAKER = "display-set-up"
"""Whose set-up cell fails, with a text that a file beside the notebook has chosen."""
HTML = {
    "script": "<script>new Image().src = 'URL'</script>",
    "onerror": "<img src='/nothing' onerror=\"new Image().src = 'URL'\">",
    "picture": "<img src='URL'>",
    "iframe": "<iframe src='URL'></iframe>",
    "svg": "<svg onload=\"new Image().src = 'URL'\"><circle r='9'/></svg>",
    "style": "<style>@import 'URL';</style>",
    "link": "<link rel='stylesheet' href='URL'>",
    "object": "<object data='URL'></object>",
    "video": "<video src='URL' autoplay></video>",
    "background": "<div style=\"background: url('URL'); width: 9px; height: 9px\">x</div>",
    "details": "<details open ontoggle=\"new Image().src = 'URL'\"><summary>x</summary></details>",
}
MARKDOWN = HTML | {
    "image": "![x](URL)",
    "fence": "```\n<img src='URL'>\n```\n<img src='URL'>",
    "longfence": "`````````\n\n<img src='URL'>",
    "tilde": "~~~\n</code></pre><img src='URL'>",
    "math": "$$\n</script><img src='URL'>\n$$ $</span><img src='URL'>$",
    "environment": "\\begin{x}\n<img src='URL'>\n\\end{x}",
}
RICH = {
    "text/html": "<img src='URL'>",
    "image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' onload=\"new Image().src = 'URL'\"></svg>",
    "application/javascript": "new Image().src = 'URL'",
    "text/markdown": "<img src='URL'>",
    "text/latex": "$</script><img src='URL'>$",
}


def payloads(base, place, kinds):
    return [text.replace("URL", f"{base}/{place}-{re.sub('[^a-z]', '', name)}") for name, text in kinds.items()]


def outputs(base):
    """Outputs as a hostile kernel sends them."""
    rich = [{kind: text} for kind, text in zip(RICH, payloads(base, "rich", RICH), strict=True)]
    picture = {"image/png": f"iVBORw0KGgo=\"><img src='{base}/png'>"}
    return [
        *(new_output("display_data", data) for data in [*rich, picture]),
        new_output(
            "display_data", {"image/png": "iVBORw0KGgo="}, metadata={"image/png": {"width": f"9><img src='{base}/width'"}}
        ),
        new_output("stream", text="\x1b]8;;javascript:1\x07" + "".join(payloads(base, "stream", HTML))),
        new_output("error", ename="E", evalue="v", traceback=payloads(base, "error", HTML)),
    ]


@pytest.fixture(scope="module")
def server():
    """What was asked for, and from where."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.add(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    asked = set()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", asked
        listening.shutdown()
        thread.join()


def opened(url, asked):
    """The page as a browser makes it, and what it asked our server for."""
    asked.clear()
    with tempfile.TemporaryDirectory() as profile:
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--dump-dom"]
        done = subprocess.run(
            [*command, "--virtual-time-budget=4000", url], capture_output=True, text=True, timeout=120, check=False
        )
    assert done.stdout, done.stderr[-1000:]
    time.sleep(0.3)
    return done.stdout, set(asked)


@pytest.fixture(scope="module")
def graded(server):
    """A course in which one student has put everything everywhere."""
    base, _ = server
    show = "from IPython.display import publish_display_data\n" + "\n".join(
        f"publish_display_data({json.dumps(output['data'])}, metadata={json.dumps(output['metadata'])})"
        for output in outputs(base)
        if output.output_type == "display_data"
    )
    stream = next(output.text for output in outputs(base) if output.output_type == "stream")
    error = "".join(payloads(base, "raised", HTML))
    answers = {
        "affine": f"{show}\nprint({stream!r})\ndef affine(*args):\n    raise ValueError({error!r})",
        "relu": f"raise ValueError({error!r})",
        "softmax": f"from os import *\nname = {error!r}\n" + "def softmax(logits):\n    return eval('ops.exp(logits)')",
    }

    def everywhere(notebook):
        texts = payloads(base, "markdown", MARKDOWN)
        notebook.cells += [new_markdown_cell(text) for text in texts] + [new_raw_cell(text) for text in texts]
        notebook.cells.append(new_code_cell("pass", outputs=outputs(base)))
        for cell in notebook.cells:
            cell.metadata["name"] = cell.metadata["collapsed"] = f"<img src='{base}/metadata'>"
        notebook.metadata["title"] = notebook.metadata["authors"] = f"<img src='{base}/title'>"
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": f"<img src='{base}/kernel'>"}
        notebook.metadata["language_info"] = {
            "name": f"<img src='{base}/language'>",
            "pygments_lexer": f"<img src='{base}/lexer'>",
        }
        state = {"x": {"model_name": f"</script><img src='{base}/widget'>"}}
        notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": state}}

    def run_before(notebook):
        notebook.cells.insert(0, new_code_cell("%run breaks.py"))

    said = "\x1b]0;title\x07".join(payloads(base, "broken", HTML))
    breaks = f"from course import training\n\ndef fail():\n    raise ValueError({said!r})\n\ntraining.report = fail\n"
    room = Classroom(Path(tempfile.mkdtemp(prefix="displayed-")))
    attack = Attack(STUDENT, answers, damage=everywhere)
    breaker = Attack(BREAKER, {}, damage=run_before, files={"breaks.py": breaks.encode()})
    room.fill([attack, breaker], (REPOSITORY / "nbgrader_config.py").read_text(), honest=["honest"])
    id = f"<img src=x onerror=new Image().src='{base}/id'>".replace("/", "\N{FRACTION SLASH}")
    shutil.copytree(room.course / "submitted" / STUDENT, room.course / "submitted" / id)
    shutil.copytree(room.course / "submitted" / STUDENT, room.course / "submitted" / f"a,{id}")
    said = room.run("nbgrader", "generate_assignment", UNIT) + room.run("nbgrader", "autograde", UNIT)
    room.said = said + room.run("nbgrader", "generate_feedback", UNIT)
    yield room
    room.remove()


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium or Chrome on PATH")


@needs_browser
@pytest.mark.slow
def test_the_same_in_a_plain_page_does_run(server, tmp_path):
    base, asked = server
    texts = payloads(base, "markdown", MARKDOWN)
    notebook = new_notebook(cells=[new_markdown_cell(text) for text in texts])
    notebook.cells.append(new_code_cell("pass", outputs=outputs(base)))
    page = tmp_path / "page.html"
    page.write_text(HTMLExporter().from_notebook_node(notebook)[0])
    _, heard = opened(page.as_uri(), asked)
    assert {f"/markdown-{name}" for name in ("script", "onerror", "picture", "iframe", "style", "image")} <= heard
    assert "/rich-texthtml" in heard


@needs_browser
@needs_sandbox
@pytest.mark.slow
@pytest.mark.parametrize("page", ["autograded", "feedback"])
@pytest.mark.parametrize(
    ("student", "texts"), [(STUDENT, ["markdown-script", "raised-script"]), (BREAKER, ["could not be judged"])]
)
def test_nothing_runs_in_pages_made_of_it(graded, server, student, texts, page, tmp_path):
    _, asked = server
    if page == "feedback":
        path = graded.course / "feedback" / student / UNIT / f"{UNIT}.html"
    else:
        path = tmp_path / "autograded.html"
        notebook = graded.course / "autograded" / student / UNIT / f"{UNIT}.ipynb"
        path.write_text(HTMLExporter().from_filename(str(notebook))[0])
    shown, heard = opened(path.as_uri(), asked)
    assert heard == set()
    assert all(text in shown for text in texts)  # as text


@needs_browser
@needs_sandbox
@pytest.mark.slow
def test_nothing_runs_in_formgrader(graded, server):
    _, asked = server
    with tempfile.TemporaryFile("w+") as log:
        command = [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", "--IdentityProvider.token="]
        command += ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", f"--ServerApp.root_dir={graded.course}"]
        command += ["--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}"]
        environment = os.environ | {"HOME": str(graded.home), "JUPYTER_RUNTIME_DIR": str(graded.home / "runtime")}
        with subprocess.Popen(command, cwd=graded.course, env=environment, stdout=log, stderr=log) as process:
            try:
                base = address(graded.home / "runtime", process)
                lists = ["manage_submissions/mlp", "manage_students", f"manage_students/{STUDENT}", "gradebook/mlp/mlp"]
                submissions = json.load(
                    urllib.request.urlopen(f"{base}formgrader/api/submitted_notebooks/{UNIT}/{UNIT}", timeout=30)
                )
                assert {entry["student"] for entry in submissions} == {"honest", STUDENT, BREAKER}
                pages = [f"submissions/{entry['id']}/" for entry in submissions if entry["student"] != "honest"]
                for path in [*lists, *pages]:
                    shown, heard = opened(f"{base}formgrader/{path}", asked)
                    assert STUDENT in shown or "markdown-script" in shown or "broken-script" in shown, (path, shown[-3000:])
                    assert heard == set(), path
            finally:
                process.terminate()


def address(folder, process):
    for _ in range(300):
        for path in folder.glob("jpserver-*.json"):
            return json.loads(path.read_text())["url"]
        assert process.poll() is None
        time.sleep(0.1)
    raise TimeoutError("the server did not start")


@needs_sandbox
@pytest.mark.slow
def test_ids_that_are_not_plain_are_refused_and_said_to_be(graded):
    assert sorted(path.name for path in (graded.course / "autograded").iterdir()) == [STUDENT, BREAKER, "honest"]
    assert graded.said.count("rename the folder") >= 2
    assert sum(value for value in graded.points("honest").values()) == 40


@needs_sandbox
@pytest.mark.slow
def test_a_set_up_that_fails_waits_for_a_person_and_no_terminal_obeys_what_it_says(graded):
    assert set(graded.points(BREAKER).values()) == {0}
    assert graded.waits_for_a_person(BREAKER) == set(graded.points(BREAKER))
    for command, shown in ((["scores", UNIT], "broken-script"), (["explain", BREAKER, "relu"], "could not be judged")):
        said = graded.run("grader", *command)
        assert shown in "".join(said.split("\n")) and not set(said) & set("\x1b\x07")


@needs_sandbox
@pytest.mark.slow
def test_released_text_and_pictures_stay(graded):
    notebook = nbformat.read(graded.course / "autograded" / "honest" / UNIT / f"{UNIT}.ipynb", as_version=4)
    release = nbformat.read(REPOSITORY / "assignments" / UNIT / f"{UNIT}.ipynb", as_version=4)
    texts = [[cell.source for cell in book.cells if cell.cell_type == "markdown"] for book in (notebook, release)]
    assert texts[0] == texts[1]
    page = (graded.course / "feedback" / "honest" / UNIT / f"{UNIT}.html").read_text()
    assert "<h1" in page and RIGHT in html.unescape(page)


@pytest.mark.parametrize("text", [*MARKDOWN.values(), "a\n````\nb", "```", "", "\u2028```\u2028<b>", "x\r```\r<b>"])
def test_a_students_text_is_only_text(text):
    page = HTMLExporter(template_name="basic").from_notebook_node(new_notebook(cells=[new_markdown_cell(as_written(text))]))[0]
    assert not re.search(
        r"<(img|script|iframe|svg|style|link|object|video|b|div style|details)\b", page.partition("</style>")[2] or page
    )


PNG = "iVBORw0KGgoAAAA="


@pytest.mark.parametrize(
    ("kind", "content", "shown"),
    [
        ("stream", {"name": "stderr", "text": "x"}, {"name": "stderr", "text": "x"}),
        ("stream", {"name": "<b>", "text": ["x"]}, {"name": "stdout", "text": ""}),
        ("error", {"ename": 1, "evalue": "v", "traceback": "x"}, {"ename": "", "evalue": "v", "traceback": []}),
        ("display_data", {"data": {"text/html": "<b>"}}, None),
        (
            "display_data",
            {"data": {"image/png": PNG}, "metadata": {"image/png": 1}},
            {"data": {"image/png": PNG}, "metadata": {}},
        ),
        ("display_data", {"data": {"image/png": PNG + '"'}}, None),
        ("display_data", {"data": {"image/png": "AAAA"}}, None),
        ("display_data", {"data": "x"}, None),
        ("comm_open", {"data": {}}, None),
        ("status", {"execution_state": "idle"}, {"execution_state": "idle"}),
    ],
)
def test_of_outputs_plain_text_and_pictures_are_kept(kind, content, shown):
    assert output_content(kind, content) == shown


@pytest.mark.parametrize("id", ["ada", "ada.lovelace@x.org", "Ada Lovelace", "żółw-1", "a+b_c"])
def test_plain_ids(id):
    assert id not in NotPlain("x")


@pytest.mark.parametrize("id", ["<b>", "a,b", 'a"b', "a'b", "a&b", "a\nb", "{{x}}", "", ".."])
def test_ids_that_are_not_plain(id):
    assert id in NotPlain("x")
