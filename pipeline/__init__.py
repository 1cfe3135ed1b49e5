"""The DAG, its targets and the command line. Knows all other rooms; nothing knows it."""
