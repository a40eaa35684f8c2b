"""What names say of a recording, and what is doubtful about what they say."""
