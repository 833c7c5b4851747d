import pytest

from duihua.checkpoint.geometry import KvLayout
from duihua.engine.capacity import Load, Room, context_that_fits, cures, gpu_room

GIB = 2**30
# GLM-4-9B: 9.4 billion parameters in 16 bits, 40 layers of 2 KV heads of 128
GLM4_9B = Load(
    weight_bytes=18_800_000_000,
    layout=KvLayout(whole_layers=40, values_per_layer=2 * 2 * 128, heads=2),
    bytes_per_value=2,
    heads=32,
)
TOKEN = 40_960  # bytes, 2 x 40 x 2 x 128 x 2


def test_a_machine_without_gpus_uses_its_main_memory() -> None:
    room = Room(bytes_each=GLM4_9B.weight_bytes + 1000 * TOKEN + 5)
    assert context_that_fits(GLM4_9B, room) == 1000


def test_one_gpu_gives_nine_tenths_of_what_is_free() -> None:
    room = gpu_room([24 * GIB])
    assert room.bytes_each == int(0.9 * 24 * GIB)
    assert context_that_fits(GLM4_9B, room) == (room.bytes_each - GLM4_9B.weight_bytes) // TOKEN


def test_two_gpus_hold_half_of_the_weights_each_and_half_of_the_heads() -> None:
    room = gpu_room([24 * GIB, 30 * GIB], devices=2)
    assert room.bytes_each == int(0.9 * 24 * GIB)  # the smaller one decides
    assert context_that_fits(GLM4_9B, room) == (room.bytes_each - GLM4_9B.weight_bytes // 2) // (TOKEN // 2)


def test_heads_that_are_too_few_to_part_are_held_twice() -> None:
    four = gpu_room([24 * GIB] * 4, devices=4)
    assert context_that_fits(GLM4_9B, four) == (four.bytes_each - GLM4_9B.weight_bytes // 4) // (TOKEN // 2)


def test_a_latent_is_held_by_every_gpu_that_shares_the_layers() -> None:
    latent = Load(weight_bytes=0, layout=KvLayout(whole_layers=1, values_per_layer=576), bytes_per_value=2)
    assert context_that_fits(latent, Room(bytes_each=1152, devices=2)) == 1
    assert context_that_fits(latent, Room(bytes_each=1152, devices=2, shares_layers=False)) == 2


def test_weights_that_do_not_fit_leave_no_context() -> None:
    assert context_that_fits(GLM4_9B, gpu_room([16 * GIB])) == 0
    assert context_that_fits(GLM4_9B, gpu_room([])) == 0


def test_an_unknown_layout_leaves_the_context_unknown_but_not_the_weights() -> None:
    unknown = Load(weight_bytes=10 * GIB, layout=None, bytes_per_value=2)
    assert context_that_fits(unknown, Room(bytes_each=11 * GIB)) is None
    assert context_that_fits(unknown, Room(bytes_each=9 * GIB)) == 0


def test_sliding_layers_take_no_more_past_their_window() -> None:
    layout = KvLayout(whole_layers=1, sliding_layers=3, sliding_window=10, values_per_layer=1)
    load = Load(weight_bytes=0, layout=layout, bytes_per_value=1)
    assert context_that_fits(load, Room(bytes_each=40)) == 10
    assert context_that_fits(load, Room(bytes_each=130)) == 100


def test_more_gpus_are_the_first_advice() -> None:
    gpus = [24 * GIB, 24 * GIB]
    flags = cures(GLM4_9B, gpu_room(gpus), 131_072, gpus=gpus, may_quantise=True)
    assert flags[0] == "--tensor-parallel-size 2"


def test_heads_that_cannot_be_parted_rule_gpus_out() -> None:
    odd = Load(weight_bytes=20 * GIB, layout=GLM4_9B.layout, bytes_per_value=2, heads=7)
    gpus = [16 * GIB] * 2
    assert cures(odd, gpu_room(gpus), 1024, gpus=gpus) == []


def test_a_context_that_is_too_long_is_answered_with_the_longest_that_fits() -> None:
    room = gpu_room([24 * GIB])
    fits = context_that_fits(GLM4_9B, room) or 0
    assert cures(GLM4_9B, room, 1_048_576) == [f"--context-window {fits // 1024 * 1024}"]


def test_weights_in_fewer_bits_are_advised_where_they_make_it_fit() -> None:
    assert cures(GLM4_9B, gpu_room([16 * GIB]), 32_768, may_quantise=True) == ["--quantization fp8"]
    assert cures(GLM4_9B, gpu_room([16 * GIB]), 32_768) == []
    wide = Load(weight_bytes=2 * GLM4_9B.weight_bytes, layout=GLM4_9B.layout, bytes_per_value=4)
    assert cures(wide, Room(bytes_each=24 * GIB), 32_768) == ["--dtype bfloat16"]


@pytest.mark.parametrize("gpus", [[], [8 * GIB], [8 * GIB, 8 * GIB]], ids=len)
def test_where_nothing_helps_nothing_is_advised(gpus: list[int]) -> None:
    assert cures(GLM4_9B, gpu_room(gpus or [GIB]), 4096, gpus=gpus, may_quantise=True) == []
