"""`python -m fae.serve`: a page and an API, by Gradio, where people try a detector on their own pictures."""
