"""In the real programs, with headless Chromium: a student in JupyterLab, an instructor in Formgrader, and the feedback page.

Screenshots are kept in `build/screenshots/`, to be looked at.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from playwright.sync_api import expect, sync_playwright

from grader.handout.init import begin
from harness import COURSE, UNITS, reference
from sandboxes import needs_sandbox

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SCREENSHOTS = COURSE / "build" / "screenshots"
TOKEN = "no-secret"
RELU = reference("mlp", "relu")
WRONG = RELU.replace("ops.maximum", "ops.minimum")

pytestmark = [
    pytest.mark.slow,
    needs_sandbox,
    pytest.mark.skipif(CHROMIUM is None, reason="no browser: install Debian's chromium, or Chrome"),
]


@pytest.fixture(scope="module")
def page():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(60_000)
        expect.set_options(timeout=120_000)  # a kernel has to import Keras
        yield page
        browser.close()


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    folder = tmp_path_factory.mktemp("browser") / "course"
    begin(folder, ["mlp"])
    return folder


@contextmanager
def jupyter(folder, tmp_path):
    """JupyterLab as it is installed, in a folder, with settings of its own: all cells of a notebook are drawn."""
    settings = tmp_path / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "PYTHONPATH": str(COURSE),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces"),
    }
    options = [f"--port={port}", f"--IdentityProvider.token={TOKEN}", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    with (
        (tmp_path / "jupyter.log").open("w") as log,
        subprocess.Popen(["jupyter", "lab", *options], cwd=folder, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/api")
            yield lambda path: f"http://127.0.0.1:{port}/{path}?token={TOKEN}"
        finally:
            server.terminate()


def _wait_for(url):
    for _ in range(120):
        try:
            return urllib.request.urlopen(url).read()
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"nothing answers at {url}")


def shot(page, name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def test_a_student_answers_an_exercise_in_jupyterlab(page, course, tmp_path):
    kit = tmp_path / "kit"
    kit.mkdir()
    shutil.copy(course / "assignments" / "mlp" / "mlp.ipynb", kit)
    with jupyter(kit, tmp_path) as url:
        page.goto(url("lab/tree/mlp.ipynb"))
        expect(page.get_by_text("Python 3 (ipykernel) | Idle")).to_be_visible()  # what is run earlier is lost
        code = page.locator(".jp-CodeCell")

        def run(cell):
            cell.locator(".cm-content").click()
            page.keyboard.press("Shift+Enter")

        def write(cell, source):
            cell.locator(".cm-content").click()
            page.keyboard.press("Control+A")
            page.keyboard.insert_text(source)
            page.keyboard.press("Shift+Enter")

        setup = code.filter(has_text="from course.probe import probe")
        run(setup)
        expect(setup.locator(".jp-OutputArea-output")).to_contain_text("tensorflow")

        answer = code.filter(has_text="def relu(z)")
        check = code.filter(has_text="did a negative one stay?")
        write(answer, WRONG)
        run(check)
        error = check.locator(".jp-OutputArea-output")
        expect(error).to_contain_text("did a negative one stay?")
        expect(error).to_contain_text("AssertionError")
        shot(page, "jupyterlab-wrong")
        write(answer, RELU)
        run(check)
        expect(error).to_have_count(0)  # it prints nothing: passed
        expect(check.locator(".jp-InputPrompt")).not_to_have_text("[*]:")
        shot(page, "jupyterlab-right")

        page.keyboard.press("Control+S")
        last = code.filter(has_text="check_notebook")
        run(last)
        table = last.locator(".jp-OutputArea-output").last
        expect(table).to_contain_text(f"Not ready yet: 1 of {len(UNITS['mlp'].text.exercises)} checks pass")
        shot(page, "jupyterlab-before-handing-in")
    assert "ops.maximum(z" in (kit / "mlp.ipynb").read_text()


def test_an_instructor_grades_by_formgraders_button(page, course, tmp_path):
    for student, answer in (("ada", RELU), ("ben", WRONG)):
        path = course / "submitted" / student / "mlp" / "mlp.ipynb"
        path.parent.mkdir(parents=True)
        text = (course / "assignments" / "mlp" / "mlp.ipynb").read_text()
        path.write_text(_answered(text, answer))
    points = UNITS["mlp"].text.exercises["relu"].points
    with jupyter(course, tmp_path) as url:
        page.goto(url("formgrader"))
        row = page.locator("tr", has_text="mlp")
        expect(row.locator(".num-submissions")).to_have_text("2")
        shot(page, "formgrader-assignments")
        page.goto(url("formgrader/manage_submissions/mlp"))
        for student, score in (("ada", f"{points:g}"), ("ben", "0")):
            row = page.locator("tr", has_text=student)
            row.locator(".autograde a").click()
            expect(page.locator(".modal-title", has_text="Success")).to_be_visible()
            page.get_by_role("button", name="Close").last.click()
            expect(row.locator(".score")).to_contain_text(f"{score} / 40")
        shot(page, "formgrader-submissions")
        with Gradebook(f"sqlite:///{course}/gradebook.db") as gradebook:
            ben = gradebook.find_submission_notebook("mlp", "mlp", "ben").id
        page.goto(url(f"formgrader/submissions/{ben}"))
        expect(page.locator("body")).to_contain_text("The negative numbers were kept and the positive ones lost")
        shot(page, "formgrader-submission")


def test_the_feedback_page_shows_points_and_sentence(page, course):
    programs = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(["nbgrader", "generate_feedback", "mlp"], cwd=course, env=programs, check=True, capture_output=True)
    page.goto((course / "feedback" / "ben" / "mlp" / "mlp.html").as_uri())
    expect(page.locator("body")).to_contain_text("The negative numbers were kept and the positive ones lost")
    expect(page.locator("body")).to_contain_text("Score: 0.0 / 40.0")
    shot(page, "feedback")


def _answered(text, answer):
    import nbformat

    notebook = nbformat.reads(text, as_version=4)
    (cell,) = (cell for cell in notebook.cells if cell.id == "relu")
    cell.source = answer
    return nbformat.writes(notebook)
