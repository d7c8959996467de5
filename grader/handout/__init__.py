"""What is handed out.

In come units; out come their notebooks and releases (`build`), what students get (`kit/`), a new course directory (`init`), a
class of known students (`demo`), and the encoder that the course ships (`pretrain`).

May import: `course`, `errors`, `files`, `shown`, `units`, `judging`, `running`, `classroom`, `proving`.
"""
