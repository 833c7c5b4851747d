from __future__ import annotations

import pytest
import torch

from duihua.engine.transformers.placement import (
    ALL_GPUS,
    DTYPES,
    Machine,
    choose_device,
    choose_dtype,
    choose_threads,
    this_machine,
)
from duihua.errors import ConfigError

LARGE = 1_000_000_000  # bytes of weights
LAPTOP = Machine()
SERVER = Machine(cpu_bfloat16=True)
MAC = Machine(mps=True)
OLD_GPU = Machine(gpu_capabilities=((7, 5),), gpu_free_bytes=(100,))
TWO_GPUS = Machine(gpu_capabilities=((8, 0), (9, 0)), gpu_free_bytes=(100, 100))
MIXED = Machine(gpu_capabilities=((8, 6), (7, 0)), gpu_free_bytes=(100, 100))


@pytest.mark.parametrize(
    ("asked", "machine", "size", "device"),
    [
        ("auto", LAPTOP, 10**12, "cpu"),
        ("auto", MAC, 0, "mps"),
        ("auto", OLD_GPU, 10**12, "cuda:0"),
        ("auto", TWO_GPUS, 80, "cuda:0"),
        ("auto", TWO_GPUS, 95, ALL_GPUS),
        ("cuda", TWO_GPUS, 95, "cuda:0"),
        ("cuda:1", TWO_GPUS, 0, "cuda:1"),
        (ALL_GPUS, TWO_GPUS, 0, ALL_GPUS),
        ("cpu", TWO_GPUS, 0, "cpu"),
    ],
)
def test_the_device_is_the_one_asked_for_or_the_best_there_is(
    asked: str, machine: Machine, size: int, device: str
) -> None:
    assert choose_device(asked, machine, weight_bytes=size) == device


@pytest.mark.parametrize(("asked", "machine"), [("cuda", LAPTOP), ("cuda:2", TWO_GPUS), ("mps", SERVER), ("tpu", MAC)])
def test_a_device_that_is_not_there_is_refused_naming_those_that_are(asked: str, machine: Machine) -> None:
    with pytest.raises(ConfigError, match=r"one of cpu"):
        choose_device(asked, machine)


@pytest.mark.parametrize(
    ("asked", "device", "machine", "dtype"),
    [
        ("auto", "cpu", LAPTOP, "float32"),
        ("auto", "cpu", SERVER, "bfloat16"),
        ("auto", "mps", MAC, "float16"),
        ("auto", "cuda:0", OLD_GPU, "float16"),
        ("auto", "cuda:1", TWO_GPUS, "bfloat16"),
        ("auto", ALL_GPUS, TWO_GPUS, "bfloat16"),
        ("auto", ALL_GPUS, MIXED, "float16"),
        ("auto", "cuda:0", MIXED, "bfloat16"),
        ("bfloat16", "cpu", LAPTOP, "bfloat16"),
    ],
)
def test_the_dtype_is_the_one_asked_for_or_what_the_hardware_has(
    asked: str, device: str, machine: Machine, dtype: str
) -> None:
    assert choose_dtype(asked, device, machine, weight_bytes=LARGE) == dtype


def test_a_small_model_on_a_cpu_computes_the_same_on_every_machine() -> None:
    assert {choose_dtype("auto", "cpu", machine, weight_bytes=11_000_000) for machine in (LAPTOP, SERVER)} == {
        "float32"
    }
    assert choose_dtype("bfloat16", "cpu", SERVER, weight_bytes=11_000_000) == "bfloat16"
    assert choose_dtype("auto", "cuda:0", TWO_GPUS, weight_bytes=11_000_000) == "bfloat16"


def test_an_unknown_dtype_is_refused_naming_the_known() -> None:
    with pytest.raises(ConfigError, match="float32, bfloat16, float16"):
        choose_dtype("int4", "cpu", LAPTOP, weight_bytes=LARGE)


@pytest.mark.parametrize(
    ("asked", "parameters", "threads"), [(None, 5_000_000, 1), (None, 600_000_000, None), (3, 5_000_000, 3)]
)
def test_a_small_model_computes_with_one_thread_unless_told(
    asked: int | None, parameters: int, threads: int | None
) -> None:
    assert choose_threads(asked, parameters) == threads


def test_this_machine_can_compute_what_is_chosen_for_it() -> None:
    machine = this_machine()
    device = choose_device("auto", machine)
    dtype = DTYPES[choose_dtype("auto", device, machine, weight_bytes=LARGE)]
    x = torch.ones(4, 4, dtype=dtype, device=device.replace(ALL_GPUS, "cuda:0"))
    assert (x @ x)[0, 0] == 4
