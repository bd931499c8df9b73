"""How a model is put to a benchmark: a stored head, a linear one, prototypes, or a head trained for it."""
