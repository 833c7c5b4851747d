import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from duihua.prompt.replay import Bounds, GenerationPoint, cuts, first_kept

Conversation = tuple[list[int], list[GenerationPoint]]


@st.composite
def conversations(draw: st.DrawFn, *, steps: int = 3) -> Conversation:
    """Exchanges, each with a point after its question and perhaps more within a tool loop."""
    costs: list[int] = []
    points: list[GenerationPoint] = []
    for exchange in range(draw(st.integers(1, 25))):
        parts = draw(st.lists(st.integers(0, 60), min_size=2, max_size=1 + steps))
        costs.append(sum(parts))
        points += [GenerationPoint(exchange, sum(parts[:i])) for i in range(1, len(parts))]
    return costs, points


rooms = st.integers(1, 400)
limits = st.none() | st.integers(1, 12)


def kept(costs: list[int], point: GenerationPoint, cut: int) -> int:
    return sum(costs[cut : point.exchange]) + point.before_tokens


def step_by_step(costs: list[int], points: list[GenerationPoint], room: int, most: int | None) -> list[int]:
    """The rule in its plainest form: whole sums, one exchange dropped at a time."""
    cut, found = 0, []
    for point in points:
        by_tokens = by_count = cut
        if 100 * kept(costs, point, cut) > 90 * room:
            while by_tokens < point.exchange and 100 * kept(costs, point, by_tokens) > 60 * room:
                by_tokens += 1
        if most is not None and point.exchange - cut + 1 > most:
            by_count = point.exchange + 1 - math.ceil(3 * most / 5)
        cut = max(by_tokens, by_count)
        found.append(cut)
    return found


@given(conversations(), rooms, limits)
def test_the_cuts_follow_the_rule(conversation: Conversation, room: int, most: int | None):
    costs, points = conversation
    assert cuts(costs, points, Bounds(room=room, max_exchanges=most)) == step_by_step(costs, points, room, most)


@given(conversations(), rooms, limits, st.data())
def test_what_comes_later_changes_no_earlier_cut(
    conversation: Conversation, room: int, most: int | None, data: st.DataObject
):
    costs, points = conversation
    whole = cuts(costs, points, Bounds(room=room, max_exchanges=most))
    length = data.draw(st.integers(1, len(points)))
    seen = points[length - 1].exchange
    for known in (costs[:seen], costs[: seen + 1], costs):
        assert first_kept(known, points[:length], Bounds(room=room, max_exchanges=most)) == whole[length - 1]


@given(conversations(), rooms, limits)
def test_a_cut_never_moves_back(conversation: Conversation, room: int, most: int | None):
    costs, points = conversation
    found = cuts(costs, points, Bounds(room=room, max_exchanges=most))
    assert found == sorted(found)


@given(conversations(), rooms, limits)
def test_the_points_own_exchange_stays_and_the_rest_fits(conversation: Conversation, room: int, most: int | None):
    costs, points = conversation
    for point, cut in zip(points, cuts(costs, points, Bounds(room=room, max_exchanges=most)), strict=True):
        assert cut <= point.exchange
        assert 10 * kept(costs, point, cut) <= 9 * room or cut == point.exchange
        assert most is None or point.exchange - cut + 1 <= most


@given(conversations(), rooms)
def test_after_a_cut_the_prefix_rests(conversation: Conversation, room: int):
    costs, points = conversation
    found = cuts(costs, points, Bounds(room=room))
    at_cut = None  # (point, sum kept there)
    for i, (before, cut) in enumerate(pairwise([0, *found])):
        if cut == before:
            continue
        if at_cut is not None and before < at_cut.exchange:
            growth = kept(costs, points[i], before) - kept(costs, at_cut, before)
            assert 10 * growth > 3 * room
        at_cut = points[i]


@given(st.integers(1, 12), st.integers(1, 60))
def test_after_a_cut_by_count_the_prefix_rests(most: int, exchanges: int):
    points = [GenerationPoint(i, 0) for i in range(exchanges)]
    found = cuts([0] * exchanges, points, Bounds(room=1, max_exchanges=most))
    for i, (before, cut) in enumerate(pairwise([0, *found])):
        if cut != before:
            assert i - before == most
            assert i - cut + 1 == math.ceil(3 * most / 5)


def test_sixty_per_cent_is_exact():
    # 0.6 * 35 and 0.9 * 70 are not whole numbers in binary; 21 of 35 must stay, and 63 of 70 must not cut.
    points = [GenerationPoint(i, 0) for i in range(36)]
    assert first_kept([0] * 36, points, Bounds(room=1, max_exchanges=35)) == 36 - 21
    assert first_kept([21, 21, 21], [GenerationPoint(3, 0)], Bounds(room=70)) == 0
    assert first_kept([21, 21, 21], [GenerationPoint(3, 1)], Bounds(room=70)) == 2


def test_a_cut_reaches_the_low_mark_exactly():
    assert first_kept([40, 20, 40], [GenerationPoint(3, 0)], Bounds(room=100)) == 1


def test_one_exchange_may_fill_the_room_alone():
    assert first_kept([10, 10], [GenerationPoint(2, 500)], Bounds(room=100)) == 2


def test_a_tool_loop_that_grows_drops_what_came_before_it():
    points = [GenerationPoint(2, 5), GenerationPoint(2, 45)]
    assert cuts([30, 30], points, Bounds(room=100)) == [0, 2]


def test_other_marks_may_be_given():
    assert first_kept([10, 10, 10], [GenerationPoint(3, 0)], Bounds(room=100, high=25, low=10)) == 2


def test_an_empty_conversation_is_not_cut():
    assert first_kept([], [], Bounds(room=100)) == 0


@st.composite
def pictured(draw: st.DrawFn) -> tuple[list[int], list[GenerationPoint]]:
    """Pictures of exchanges, each with a point after those of its question and one after those of its tools."""
    images: list[int] = []
    points: list[GenerationPoint] = []
    for exchange in range(draw(st.integers(1, 25))):
        asked, given_later = draw(st.tuples(st.integers(0, 3), st.integers(0, 2)))
        images.append(asked + given_later)
        points += [GenerationPoint(exchange, 0, 0, count) for count in (asked, asked + given_later)]
    return images, points


@given(pictured(), st.integers(1, 12))
def test_pictures_that_are_too_many_go_in_the_same_way(
    conversation: tuple[list[int], list[GenerationPoint]], most: int
):
    images, points = conversation
    cut, found = 0, list[int]()
    for point in points:
        if sum(images[cut : point.exchange]) + point.before_images > most:
            while cut < point.exchange and sum(images[cut : point.exchange]) + point.before_images > math.ceil(
                3 * most / 5
            ):
                cut += 1
        found.append(cut)
    assert cuts([0] * len(images), points, Bounds(room=1, max_images=most), images) == found


def test_where_tokens_and_pictures_both_cut_the_deeper_cut_holds():
    points = [GenerationPoint(3, 0, 0, 1)]
    assert first_kept([50, 50, 10], points, Bounds(room=100, max_images=3), [1, 1, 1]) == 2
    assert first_kept([50, 50, 10], points, Bounds(room=1000, max_images=3), [1, 1, 1]) == 2
    assert first_kept([50, 50, 10], points, Bounds(room=1000, max_images=4), [1, 1, 1]) == 0
