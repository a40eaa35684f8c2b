"""How exported files are looked at, one file a kind."""
