"""Studies: many runs or measurements, their tables and figures."""
