"""Windows, mel filters and other tables, in float64 NumPy from their formulae."""
