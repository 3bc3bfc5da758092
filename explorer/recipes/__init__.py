"""How a training step uses number formats: each recipe is one value that page, command line and docs all read.

A recipe says what is stored, computed and accumulated in which format. :mod:`explorer.recipes.catalogue` holds them
as data and is torch-free; :mod:`explorer.recipes.precision` turns one into the contexts, scaler and kernels of a lane.
"""

from explorer.recipes.catalogue import RECIPES, Recipe, get, names

__all__ = ["RECIPES", "Recipe", "get", "names"]
