"""What a recipe cannot be."""


class RecipeError(ValueError):
    """Settings are not what they are said to be, or no config of ours is the same."""
