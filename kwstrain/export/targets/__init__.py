"""The formats that ``kwstrain export --to`` knows, one file each."""
