"""A unit is found, read and joined.

In comes a course directory, out come its units: those in its own `units/`, `solutions/` and `checks/`, then the shipped ones
(`shelf`). Of a unit, its text is joined with the solutions (`text`, `splice`), its checks are loaded (`unit`), and variants of
the reference are made from edits (`variants`).

May import: `course`, `errors`, `files`, `shown`, `judging`.
"""
