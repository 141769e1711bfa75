"""How the time of a training step changes with the number of ranks, measured in one job.

A point is a configuration on a number of ranks; it is measured several times, in turn with the
others; each time is a cell, stored in a file of its own. Losses are stored too, to the last bit,
and compared: a speed-up counts only where the numbers are the same.
"""
