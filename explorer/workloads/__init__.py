"""What is trained: models and the data that feeds them.

:mod:`explorer.workloads.catalogue` describes them as torch-free data, :mod:`explorer.workloads.own` takes a person's
own models by name; the modules that build them import torch (and Transformers, scikit-learn) when a burst starts, in
the process that trains.
"""

from explorer.workloads.catalogue import DATASETS, MODELS, Dataset, Model, get_model, model_names
from explorer.workloads.own import OWN_MODELS, accepts, own_models_allowed

__all__ = [
    "DATASETS",
    "MODELS",
    "OWN_MODELS",
    "Dataset",
    "Model",
    "accepts",
    "get_model",
    "model_names",
    "own_models_allowed",
]
