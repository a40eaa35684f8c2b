"""The formats of ``kwstrain export --to``, one module each."""
