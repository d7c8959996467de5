"""Everything the grader raises on purpose.

GraderError
├── BuildError      a unit's text, solution or release is wrong: names the file and the place
├── CheckError      a check module is missing or does not define what it must
├── EvidenceError   what an answer published is not what was agreed: becomes a sentence, never stops a batch
├── ExecutionError  a notebook could not be run, for a reason that is not the student's
├── CourseError     a course directory lacks something, such as its secret
├── SubmissionError what was handed in is more than is read
└── SandboxError    no sandbox can be made here
"""


class GraderError(Exception):
    """Base class."""


class BuildError(GraderError):
    """A unit cannot be built. The message starts with `file:line:` or names the exercise."""


class CheckError(GraderError):
    """A check is missing or malformed."""


class EvidenceError(GraderError):
    """Evidence is missing, malformed, or not of the agreed kind."""


class ExecutionError(GraderError):
    """A notebook could not be run, for a reason that is not the student's."""


class CourseError(GraderError):
    """A course directory lacks something that grading needs."""


class SubmissionError(GraderError):
    """What was handed in is more than is read. The message is for the student."""


class SandboxError(GraderError):
    """No sandbox can be made here. The message says what is missing and what to do."""
