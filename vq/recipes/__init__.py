"""Settings of other code bases as configs of ours: read, account, write, compare."""

from vq.recipes.conversion import Converted, convert
from vq.recipes.errors import RecipeError
from vq.recipes.reading import KINDS
from vq.recipes.recipe import Options
from vq.recipes.report import report

__all__ = ['KINDS', 'Converted', 'Options', 'RecipeError', 'convert', 'report']
