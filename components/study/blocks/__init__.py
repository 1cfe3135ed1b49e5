"""The questions of the study, a module each: what is compared, and how one fold of it is measured."""
