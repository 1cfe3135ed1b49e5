"""What users copy: whole pipelines with models of their own, and the library in a notebook."""
