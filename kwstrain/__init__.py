"""kwstrain: trains keyword spotters with JAX on the files that kwsfeat builds."""
