"""What `farelite study` shows: progress, tables, sentences, pictures, a page. `components.study` measures."""
