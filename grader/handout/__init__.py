"""What is handed out.

In come units; out come their notebooks and releases (`build`), what students get (`kit/`), a new course directory (`init`), a
class of known students (`demo`), and the encoder that the course ships (`pretrain`).

May import: `course`, and of `grader` everything but `reports` and the commands.
"""
