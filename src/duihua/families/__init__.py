"""What a model family can do, as data; the one room where model names are compared."""

from duihua.families.catalogue import FAMILIES, recognise
from duihua.families.family import Family, ImageForm, RanksLayout
from duihua.families.twins import MODELS_THAT_SEE, twin_of

__all__ = ["FAMILIES", "MODELS_THAT_SEE", "Family", "ImageForm", "RanksLayout", "recognise", "twin_of"]
