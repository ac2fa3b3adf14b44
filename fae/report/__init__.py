"""`python -m fae.report` writes the runs of a sweep as one table and one page."""
