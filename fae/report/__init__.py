"""`python -m fae.report`: the runs of a sweep as one table and one page."""
