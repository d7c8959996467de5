"""A notebook as the programs save it that students use: what each is known to change in the file.

`text` is the handed-out notebook's JSON with a student's answers in it; each function gives the file's bytes.
"""

import json
import secrets


def jupyterlab(text):
    """Outputs, execution counts, a kernel's own name, and the language's details."""
    notebook = json.loads(text)
    notebook["metadata"]["kernelspec"] = {"display_name": "venv (3.12)", "language": "python", "name": "venv"}
    mode = {"name": "ipython", "version": 3}
    notebook["metadata"]["language_info"] = {"name": "python", "version": "3.12.3", "codemirror_mode": mode}
    for count, cell in enumerate(_code(notebook), 1):
        cell["execution_count"] = count
        cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["a\n", "b\n"]}]
        cell["metadata"]["execution"] = {"iopub.execute_input": "2026-11-21T19:00:00.000000Z"}
        cell["metadata"]["trusted"] = True
    return _json(notebook)


def colab(text):
    """Format 4.0, whose cells have no ids; Colab's own in the metadata, in each cell; outputs with its own types."""
    notebook = json.loads(text)
    notebook["nbformat_minor"] = 0
    notebook["metadata"] |= {"colab": {"provenance": [], "toc_visible": True}, "accelerator": "GPU"}
    for count, cell in enumerate(notebook["cells"]):
        cell.pop("id", None)
        cell["metadata"]["id"] = secrets.token_urlsafe(9)
        cell["metadata"].pop("deletable", None)
        if cell["cell_type"] == "code":
            cell["metadata"] |= {"colab": {"base_uri": "https://localhost:8080/"}, "outputId": secrets.token_hex(16)}
            cell["execution_count"] = count
            data = {"application/vnd.google.colaboratory.intrinsic+json": {"type": "string"}, "text/plain": ["<A>"]}
            cell["outputs"] = [{"output_type": "display_data", "data": data, "metadata": {}}]
    return json.dumps(notebook, indent=2).encode()


def vs_code(text):
    """New ids for the cells, a kernel's path and its own metadata, no space around colons, another order of keys."""
    notebook = json.loads(text)
    notebook["metadata"] = {
        "kernelspec": {"display_name": ".venv", "language": "python", "name": "python3"},
        "orig_nbformat": 4,
    }
    for cell in notebook["cells"]:
        cell["id"] = secrets.token_hex(4)
        cell["metadata"]["vscode"] = {"languageId": "python"}
    return json.dumps({key: notebook[key] for key in sorted(notebook, reverse=True)}, separators=(",", ":")).encode()


def windows(text):
    """A mark at the start of the file, and lines that end with CR and LF, in the file and in its cells."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).replace("\n", "\r\n")
    return b"\xef\xbb\xbf" + _json(notebook).replace(b"\n", b"\r\n")


def metadata_lost(text):
    """What an online converter leaves: sources and kinds of cells."""
    notebook = json.loads(text)
    cells = [{"cell_type": c["cell_type"], "metadata": {}, "source": "".join(c["source"])} for c in notebook["cells"]]
    for cell in cells:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 0}).encode()


def utf_16(text):
    """As some editors of Windows save what is "Unicode" to them."""
    return text.encode("utf-16")


def bare(text):
    """By a script that knows sources and kinds of cells alone."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        del cell["metadata"]
    return json.dumps(notebook).encode()


def merged(text):
    """After two copies were merged: every cell's metadata twice over, tags, and ids with a suffix."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        cell["metadata"] = {"tags": ["mine", "theirs"], "theirs": dict(cell["metadata"])} | cell["metadata"]
        cell["id"] = f"{cell['id']}-theirs"[-64:]
    return _json(notebook)


PROGRAMS = (jupyterlab, colab, vs_code, windows, metadata_lost, utf_16, bare, merged)


def _code(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def _json(notebook):
    return json.dumps(notebook, indent=1, ensure_ascii=False).encode()
