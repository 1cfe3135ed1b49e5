"""The DAG, its runners and the command line. Knows `components` and `configs`; nothing knows it."""
