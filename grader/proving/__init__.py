"""What is known of a check before a student sees it.

In come a unit and answers whose verdicts are known; out come verdicts in this very process (`rehearsal`), and tables of what
right and weak answers of training exercises reach (`calibrate`).

May import: `course`, `errors`, `files`, `shown`, `units`, `judging`, `running`.
"""
