"""Language models from Transformers' configs: tiny ones over bytes, larger ones as they were published.

The larger ones keep their vocabularies and are fed bytes too (token ids below 256), so that memory and speed are those
of the full vocabulary. None has dropout, so that lanes differ by their number formats alone.
"""

from __future__ import annotations

from torch import nn

from explorer.workloads.imports import load_transformers
from explorer.workloads.intake import BYTES

POSITIONS = 128
"""Longest sequence of the tiny models."""


def _gpt2(**shape: int) -> nn.Module:
    transformers = load_transformers()
    config = transformers.GPT2Config(
        **shape,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=None,
        eos_token_id=None,
        use_cache=False,
    )
    return transformers.GPT2LMHeadModel(config)


def gpt2_tiny() -> nn.Module:
    """GPT-2 with 4 layers of width 128 and 4 heads over 128 positions."""
    return _gpt2(vocab_size=BYTES, n_positions=POSITIONS, n_embd=128, n_layer=4, n_head=4)


def gpt2_small() -> nn.Module:
    """GPT-2 as published (Radford et al. 2019): 12 layers of width 768, 50,257 tokens, 1,024 positions."""
    return _gpt2(vocab_size=50257, n_positions=1024, n_embd=768, n_layer=12, n_head=12)


def _llama(**shape: int | bool) -> nn.Module:
    transformers = load_transformers()
    config = transformers.LlamaConfig(
        **shape, bos_token_id=None, eos_token_id=None, pad_token_id=None, use_cache=False
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def llama_tiny() -> nn.Module:
    """Llama with 4 layers of width 128, 4 heads that share 2 key-value heads, and a SwiGLU of width 384."""
    return _llama(
        vocab_size=BYTES,
        max_position_embeddings=POSITIONS,
        hidden_size=128,
        intermediate_size=384,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
    )


def llama_small() -> nn.Module:
    """Llama in the shape of MobileLLM-125M (Liu et al. 2024, arXiv 2402.14905): deep, thin, embeddings shared."""
    return _llama(
        vocab_size=32000,
        max_position_embeddings=2048,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        tie_word_embeddings=True,
    )


def _bert(**shape: int) -> nn.Module:
    transformers = load_transformers()
    config = transformers.BertConfig(
        **shape, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, pad_token_id=None, use_cache=False
    )
    return transformers.BertForMaskedLM(config)


def bert_tiny() -> nn.Module:
    """BERT with 4 layers of width 128 and 4 heads over 128 positions."""
    return _bert(
        vocab_size=BYTES,
        max_position_embeddings=POSITIONS,
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        type_vocab_size=1,
    )


def bert_base() -> nn.Module:
    """BERT base as published (Devlin et al. 2019): 12 layers of width 768, 30,522 tokens, 512 positions."""
    return _bert(vocab_size=30522, max_position_embeddings=512)
