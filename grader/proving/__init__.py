"""What is known of a check before a student sees it.

In come units, and answers whose verdicts are known; out come verdicts in this very process (`rehearsal`), what must hold of
every check (`laws`, `notebooks`), a command that sees it (`prove`) and files that keep it (`proofs`), and tables of what right
and weak answers of training exercises reach (`calibrate`, `measurements`). `reach` finds what a row depends on, `processes`
share the work, and `tables` makes what texts show and no notebook has time for. Wrong answers are made from the reference
(`mutants`, with all `…operators` on `code`), and compared with it on `broad` inputs; `survivors` demands a reason for those
that a check lets through.

May import: `course`, `errors`, `files`, `shown`, `units`, `judging`, `running`.
"""
