"""What a plan says: sharding, depth, checkpointing, optimizers, the guide."""

import json
import time

import pytest

from explorer import cli
from explorer.errors import InputError
from explorer.planner import sharding
from explorer.planner.cards import cards, verdict
from explorer.planner.desk import Desk
from explorer.planner.eight_bit import state_bytes
from explorer.planner.planning import plan
from explorer.planner.published import activations
from explorer.planner.subject import TransformersModel
from explorer.planner.tracing import trace
from explorer.planner.warning import warning

TINY = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 512, "hidden_size": 64,
        "intermediate_size": 176, "num_attention_heads": 4, "num_key_value_heads": 2}  # fmt: skip
SEVEN_B = 6_738_415_616


def tiny(layers, **more):
    return TINY | {"num_hidden_layers": layers, **more}


def of(config, recipe="bf16-amp", **more):
    return plan({"config": config, "recipes": [recipe], "batch": 2, "sequence": 64, **more})["recipes"][recipe]


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_deep_model_is_read_off_as_it_would_be_traced(checkpointing, optimizer, monkeypatch):
    config = tiny(9)
    read_off = of(config, checkpointing=checkpointing, optimizer=optimizer)
    whole = trace(_Whole("config", "", "", config), "bf16-amp", 2, 64, optimizer=optimizer,
                  checkpointing=checkpointing, attention="sdpa", gpu=True)  # fmt: skip
    for part in ("weights", "gradients", "optimizer", "activations", "cast_cache", "logits"):
        assert read_off[part] == getattr(whole, part), part
    most = max(peak.live for peak in whole.phases.values())
    assert read_off["total"] == whole.weights + whole.optimizer + most


class _Whole(TransformersModel):
    """A model that is built in its full depth whatever depth is asked for."""

    @property
    def count(self):
        import dataclasses

        return dataclasses.replace(super().count, layers=None)


def test_checkpointing_keeps_less_and_fused_attention_does_too():
    config = tiny(6)
    kept, again = of(config)["activations"], of(config, checkpointing=True)["activations"]
    scores = of(config, attention="eager")["activations"]
    assert again < kept / 2 < kept < scores


def test_llama_2_7b_needs_what_the_guide_leaves_out():
    found = plan({"model": "llama-2-7b", "recipes": ["fp32"], "sequence": 128})
    fp32 = found["recipes"]["fp32"]
    assert found["parameters"] == SEVEN_B
    assert fp32["gradients"] == 4 * SEVEN_B
    assert fp32["weights"] == pytest.approx(4 * SEVEN_B, rel=1e-6)
    assert fp32["optimizer"] == pytest.approx(8 * SEVEN_B, rel=1e-6)
    assert found["guide"]["fp32_gb"] == 56
    assert found["guide"]["counted_gb"]["sum"] == pytest.approx(107.8, abs=0.1)
    assert "54 GB" in found["guide"]["reason"]
    assert verdict(fp32["total"], 80 * 2**30) == "does not fit"


def test_what_is_divided_is_what_the_stage_divides():
    alone = of(tiny(6))
    for name, divided in sharding.DIVIDED.items():
        shared = of(tiny(6), gpus=4, sharding=name)
        for part in ("weights", "gradients", "optimizer"):
            assert shared[part] == (-(-alone[part] // 4) if part in divided else alone[part]), (name, part)
        assert shared["activations"] == alone["activations"]
    assert of(tiny(6), gpus=4, sharding="zero1")["total"] < alone["total"]
    assert of(tiny(6), gpus=1, sharding="zero3")["total"] == alone["total"]


def test_a_shard_s_update_needs_temporaries_for_the_shard_alone():
    found = plan({"model": "llama-2-70b", "recipes": ["bf16-amp"], "sequence": 128, "checkpointing": True,
                  "gpus": 64, "sharding": "fsdp"})["recipes"]["bf16-amp"]  # fmt: skip
    parts = ("weights", "gradients", "optimizer", "activations", "cast_cache")
    assert found["total"] < sum(found[part] for part in parts) * 1.5


def test_each_optimizer_keeps_its_state():
    config = tiny(6, hidden_size=256)
    count = plan({"config": config, "recipes": ["fp32"]})["parameters"]
    state = {name: of(config, "fp32", optimizer=name)["optimizer"]
             for name in ("adamw", "adamw-fused", "adamw-8bit", "momentum", "adafactor", "sgd")}  # fmt: skip
    assert state["sgd"] == 0
    assert state["momentum"] == 4 * count
    assert state["adamw"] == state["adamw-fused"] == pytest.approx(8 * count, rel=1e-3)
    assert state["adamw-8bit"] == pytest.approx(2 * count * (1 + 4 / 256), rel=0.01)
    assert 0 < state["adafactor"] < count


def test_small_tensors_keep_32_bit_moments():
    assert state_bytes(4095) == 8 * 4095
    assert state_bytes(4096) == 2 * (4096 + 4 * 16)
    assert state_bytes(4097) == 2 * (4097 + 4 * 17)


def test_the_formula_is_the_paper_s():
    # Korthikanti et al. 2022, table 2, per layer: sbh(34 + 5as/h).
    assert activations(1, 12_288, 96, 1, 2_048, "eager", False) == 2_048 * 12_288 * (34 + 5 * 96 * 2_048 // 12_288)
    assert activations(3, 64, 4, 2, 16, "sdpa", False) == 3 * 34 * 2 * 16 * 64
    assert activations(3, 64, 4, 2, 16, "sdpa", True) == 3 * 2 * 2 * 16 * 64


def test_the_trace_of_a_gpt_is_near_the_formula():
    config = {"model_type": "gpt2", "n_embd": 256, "n_head": 8, "n_layer": 8, "vocab_size": 64, "n_positions": 256,
              "activation_function": "gelu", "bos_token_id": 0, "eos_token_id": 0}  # fmt: skip
    found = plan({"config": config, "recipes": ["bf16-amp"], "batch": 4, "sequence": 256})
    traced = found["recipes"]["bf16-amp"]["activations"]
    assert found["published"]["activations"] == pytest.approx(traced, rel=0.5)


def test_longer_sequences_than_positions_are_refused():
    with pytest.raises(InputError, match=r"^sequence: got 2048, but takes a whole number from 1 to 1,024"):
        plan({"model": "gpt2", "sequence": 2048, "recipes": ["fp32"]})


def test_a_burst_that_will_not_fit_is_warned_of():
    config = {"model": "gpt2-tiny", "batch_size": 32, "lanes": [{"recipe": "fp32"}, {"recipe": "bf16-amp"}]}
    assert warning(config, 2**40) is None
    assert "2 lanes" in warning(config, 2**20)
    assert warning({**config, "batch_size": 4}, 150 * 2**20) is None


def test_cards_come_from_the_smallest_up():
    sizes = [card["memory"] for card in cards()]
    assert sizes == sorted(set(sizes))
    assert [verdict(share, 100) for share in (90, 91, 100, 101)] == ["fits", "tight", "tight", "does not fit"]


def test_the_command_prints_what_the_contract_names(tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps(tiny(4)))
    arguments = ["plan", "--config", str(tmp_path / "config.json"), "--recipe", "fp32", "bf16-amp", "--sequence", "32"]
    assert cli.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"model", "parameters", "recipes"} <= set(found)
    assert list(found["recipes"]) == ["fp32", "bf16-amp"]
    parts = {"weights", "master_weights", "gradients", "optimizer", "activations", "cast_cache", "total"}
    assert all(parts <= set(recipe) for recipe in found["recipes"].values())
    assert cli.main(arguments) == 0
    assert "parameters" in capsys.readouterr().out


@pytest.fixture(scope="module")
def desk():
    desk = Desk()
    yield desk
    desk.close()


def test_the_desk_answers_from_its_own_process_and_keeps_it(desk):
    asked = {"model": "mlp", "recipes": ["fp32"], "device": "cpu"}
    assert desk.plan(asked)["recipes"]["fp32"]["gradients"] == 104_488
    pid = desk.pid
    assert desk.plan({**asked, "batch": 2})["batch"] == 2
    assert desk.pid == pid
    started = time.perf_counter()
    desk.plan(asked)
    assert time.perf_counter() - started < 0.5


def test_the_desk_hands_on_sentences(desk):
    with pytest.raises(InputError, match="model type of Transformers"):
        desk.plan({"config": {"model_type": "no-such"}, "recipes": ["fp32"]})
    assert desk.warning({"model": "mlp", "lanes": [{"recipe": "fp32"}]}, 1000).startswith("This burst needs")


def test_a_killed_planner_is_replaced(desk):
    desk.plan({"model": "mlp", "recipes": ["fp32"], "device": "cpu"})
    desk._process.kill()
    desk._process.wait()
    assert desk.plan({"model": "mlp", "recipes": ["fp32"], "batch": 3, "device": "cpu"})["batch"] == 3


def test_a_plan_that_takes_too_long_is_given_up():
    desk = Desk(seconds=0.05)
    with pytest.raises(InputError, match="took longer than"):
        desk.plan({"model": "mlp", "recipes": ["fp32"]})
    assert desk.pid is None
