"""Model folders as Transformers writes them, small enough to train in a test, and a hub to fetch them from."""

import json
import shutil

import pytest

from explorer.workloads.imports import quiet_transformers

TINY = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
TOKENS = {"vocab_size": 300, "max_position_embeddings": 64}


def _save(root, name, kind, config, **settings):
    with quiet_transformers() as transformers:
        getattr(transformers, kind)(getattr(transformers, config)(**settings)).save_pretrained(root / name)


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """A folder with saved models by name: bare encoders and decoders, and models with heads."""
    root = tmp_path_factory.mktemp("saved")
    _save(root, "bert-bare", "BertModel", "BertConfig", **TINY, **TOKENS)
    _save(root, "bert-classifier", "BertForSequenceClassification", "BertConfig", **TINY, **TOKENS)
    _save(root, "roberta", "RobertaForMaskedLM", "RobertaConfig", **TINY, **{**TOKENS, "max_position_embeddings": 66})
    ends = {"bos_token_id": 0, "eos_token_id": 0}
    shape = {"n_embd": 32, "n_layer": 3, "n_head": 2}
    _save(root, "gpt2-bare", "GPT2Model", "GPT2Config", vocab_size=300, n_positions=64, **shape, **ends)
    _save(root, "llama", "LlamaForCausalLM", "LlamaConfig", **TINY, **TOKENS)
    _save(root, "llama-small-vocabulary", "LlamaForCausalLM", "LlamaConfig", **TINY, **{**TOKENS, "vocab_size": 100})
    _save(root, "vit-bare", "ViTModel", "ViTConfig", **TINY, image_size=16, patch_size=4)
    shape = {"d_model": 32, "d_kv": 16, "d_ff": 64, "num_layers": 1, "num_heads": 2}
    _save(root, "t5", "T5ForConditionalGeneration", "T5Config", vocab_size=300, **shape)
    _save(root, "clip", "CLIPTextModel", "CLIPTextConfig", **TINY, **TOKENS, **ends, pad_token_id=0)
    return root


@pytest.fixture
def changed(saved, tmp_path):
    """Copy a saved model and write other values into its config; None takes a field out."""

    def change(base, **fields):
        folder = tmp_path / "changed"
        shutil.copytree(saved / base, folder)
        config = json.loads((folder / "config.json").read_text()) | fields
        config = {field: value for field, value in config.items() if value is not None}
        (folder / "config.json").write_text(json.dumps(config))
        return folder

    return change
