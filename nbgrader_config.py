"""nbgrader's configuration of this course directory: everything is set by the course's plugin."""

from grader.plugin import configure

configure(get_config())  # noqa: F821 (nbgrader provides get_config)
