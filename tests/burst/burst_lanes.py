"""One lane with its batch, and one watched step of it: what the tests of the instruments begin with."""

import torch

from explorer.burst import parse_config
from explorer.burst.lane import Lane
from explorer.workloads import build

CPU = torch.device("cpu")
SMALL = {"mlp": {"batch_size": 16}, "cnn": {"batch_size": 16}}
"""Batches of models over images; language models take two short sequences."""


def lane_of(model="mlp", recipe="fp16-amp", device=CPU, lane=None, **fields):
    sizes = SMALL.get(model, {"batch_size": 2, "sequence_length": 32})
    config = parse_config({"model": model, **sizes, "lanes": [{"recipe": recipe, **(lane or {})}], **fields})
    batches = build.build_batches(config.data, config.batch_size, config.sequence_length, config.seed, model=model)
    return Lane(config, config.lanes[0], build.build_model(model, config.seed), device), batches.next(device)


def watched(lane, batch, *instruments, step=0):
    for instrument in instruments:
        instrument.prepare(batch, step)
    return lane.train(batch, instruments)
