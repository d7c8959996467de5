"""Whether sandboxes can be made here: what needs them is skipped elsewhere, and `.ci/run` sees to it that they can."""

import pytest

from grader.errors import SandboxError
from grader.running.kernels.sandbox import require


def _missing() -> str:
    try:
        require()
    except SandboxError as error:
        return str(error)
    return ""


needs_sandbox = pytest.mark.skipif(bool(missing := _missing()), reason=missing)
