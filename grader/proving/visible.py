"""An exercise's visible check, run as a student runs it: below the set-up, an answer, and what else it needs of cells above."""

from __future__ import annotations

import ast
import contextlib
import io
from collections.abc import Sequence, Set
from dataclasses import dataclass

from nbformat import NotebookNode

from course.source import ALWAYS_THERE, defined, parse, used
from grader.proving.rehearsal import namespace_of
from grader.units.unit import Unit


@dataclass(frozen=True)
class VisibleCheck:
    """What a student runs to try an answer.

    Args:
        unit: Whose.
        exercise: Which one's.
        above: The statements of earlier cells that it needs, with the reference's answers in place of a student's.
        cell: Its source.
    """

    unit: Unit
    exercise: str
    above: str
    cell: str

    @staticmethod
    def of(unit: Unit, exercise: str) -> VisibleCheck:
        """The visible check of an exercise."""
        code = [cell for cell in unit.text.cells if cell.cell_type == "code"]
        number = next(number for number, cell in enumerate(code) if cell.metadata.get("check") == exercise)
        known = ALWAYS_THERE | defined(unit.text.setup) | {exercise}
        wanted = used(code[number].source) - defined(code[number].source) - known
        return VisibleCheck(unit, exercise, "\n".join(needed(unit, code[:number], wanted, known)), code[number].source)

    def says(self, answer: str) -> str:
        """What it says of an answer, given by its source; "" if it is silent."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                namespace = namespace_of(self.unit, self.exercise, answer)
                exec(self.above, namespace)
                exec(compile(self.cell, f"<check of {self.exercise}>", "exec"), namespace)
        except Exception as error:  # a student would see it, and so know that something is wrong
            return f"{type(error).__name__}: {error}"
        return ""

    @property
    def depends_on(self) -> str:
        """Its source, as a function with the exercise's name: who follows that name reaches all that it uses."""
        whole = ast.parse(f"def {self.exercise}(): ...")
        whole.body[0].body += ast.parse(self.cell).body  # type: ignore[attr-defined]
        return f"{self.above}\n\n{ast.unparse(whole)}"


def needed(unit: Unit, cells: Sequence[NotebookNode], wanted: Set[str], known: Set[str]) -> list[str]:
    """The statements of cells, with the reference's answers, that define names, and what those need that is not known.

    Those that define nothing, such as `table["x"] = 3` or a seed that is set, are left out.
    """
    above: list[str] = []
    for cell in reversed(cells):
        name = cell.metadata.get("exercise")
        for statement in reversed(_statements(unit.text.exercises[name].reference if name else cell.source)):
            if made := defined(statement) & wanted:
                wanted = wanted - made | used(statement) - known
                above.insert(0, statement)
    return above


def _statements(source: str) -> list[str]:
    tree = parse(source)
    return [ast.unparse(node) for node in tree.body] if tree else []
