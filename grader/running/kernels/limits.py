"""What a submission may use: every limit, its default, and its trait."""

from __future__ import annotations

from traitlets import Float, Integer
from traitlets.config import Configurable

from course.cells import CELL_SECONDS, NOTEBOOK_SECONDS

MEGABYTE = 1_000_000


class Limits(Configurable):
    """Limits of one submission. Over one of them, the cell or the submission ends, with a sentence; never the batch."""

    cell_seconds = Float(
        CELL_SECONDS, help="CPU seconds that one cell may take, so that a busy machine costs nobody points."
    ).tag(config=True)
    notebook_seconds = Float(NOTEBOOK_SECONDS, help="CPU seconds that one notebook may take.").tag(config=True)
    wall_factor = Float(3, help="Cells and notebooks that sleep or wait may take this many times as long by the clock.").tag(
        config=True
    )
    memory = Integer(4096, help="Megabytes of memory of all processes together.").tag(config=True)
    processes = Integer(512, help="Processes and threads, together.").tag(config=True)
    disk = Integer(256, help="Megabytes in /tmp and the working directory, together; as many again in /dev/shm.").tag(
        config=True
    )
    cell_output = Integer(1_000_000, help="Characters of output that are kept of one cell.").tag(config=True)
    notebook_output = Integer(5_000_000, help="Characters of output that are kept of one notebook.").tag(config=True)
    flood = Integer(50_000_000, help="Characters of output after which a cell is stopped, in all or at once.").tag(config=True)
    waiting = Integer(
        1000, help="Megabytes by which the grader's own memory may grow meanwhile: outputs that are on their way wait there."
    ).tag(config=True)
    evidence = Integer(20_000_000, help="Characters of evidence of one exercise.").tag(config=True)
