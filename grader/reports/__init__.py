"""What instructors want to know of a class: tables, a page, and files for gradebooks elsewhere."""
