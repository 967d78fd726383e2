"""Tasks: commands named by what they are for."""
