"""Mixed-Precision Explorer: run short mixed-precision training bursts and see what the number formats do.

The rooms, from the bottom up: ``formats`` (what a number is), ``devices`` (what a machine can do), ``recipes`` (how a
training step uses formats), ``workloads`` (what is trained), ``burst`` (the experiment), ``sessions`` (where bursts
run), and ``ui`` and ``cli`` on top. Imports point downwards only, and no ``__init__`` imports torch.
"""

__version__ = "0.1.0"
