"""Image tokenization."""
