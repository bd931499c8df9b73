"""One file an experiment: what an arm does with a seed."""
