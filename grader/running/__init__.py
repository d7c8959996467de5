"""Untrusted code gives evidence.

In come a sanitised notebook, what the probe is to do, and limits: a job. Out comes an outcome: evidence, outputs, what it took.
Kernels run in sandboxes (`kernels/`), jobs in processes of this machine or on a cluster (`workers`), and what was executed is
kept (`kept`). Nothing here knows a check, a secret or a score.

May import: `course`, `errors`, `files`, `shown`.
"""
