"""What instructors look at.

In come a course directory's gradebook, records and outcomes; out come tables for a terminal, a page, and files for other
gradebooks. Nothing is written but these.

May import: `course`, `errors`, `files`, `shown`, `units`, `judging`, `running`, `classroom`.
"""
