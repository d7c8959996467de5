"""A class becomes a gradebook.

In come a course directory and what was handed in; out come scores, comments and flags in nbgrader's gradebook, and a record of
each verdict. A notebook gives questions and those a job (`questions`); jobs are executed in parallel while nbgrader judges and
writes (`autograde`); `plugin/` is what nbgrader calls.

May import: `course`, `errors`, `files`, `shown`, `units`, `judging`, `running`.
"""
