"""One Model artifact per training recipe."""
