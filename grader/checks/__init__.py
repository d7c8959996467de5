"""What each exercise demands: content, no machinery.

`<unit>/<exercise>.py` defines one `CHECK`: the inputs that are drawn, an oracle, known mistakes, other right answers. Beside it
lies what was measured of the unit. Modules that begin with `_` are what a unit's checks share.

May import: `course`, `judging`, of which the judge itself is not for checks.
"""
