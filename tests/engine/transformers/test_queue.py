from __future__ import annotations

import asyncio

import pytest

from duihua.engine.transformers.outbox import Outbox
from duihua.engine.transformers.queue import Errand, FairQueue
from duihua.engine.transformers.track import Track
from duihua.errors import AdapterRejected, EngineBusy, EngineDead
from duihua.request import GenerationRequest
from duihua.sampling import Decoding


def track(priority: int = 0, adapter: int = 0) -> Track:
    async def make() -> Track:
        request = GenerationRequest(
            request_id="test", token_ids=(1,), decoding=Decoding(max_tokens=1), priority=priority
        )
        return Track(request, Outbox(), limit=2, adapter=adapter)

    return asyncio.run(make())


def test_low_priority_numbers_go_first_then_who_came_first() -> None:
    queue = FairQueue(limit=9)
    tracks = [track(1), track(0), track(1), track(0)]
    for each in tracks:
        queue.enter(each)
    order: list[int] = []
    while (first := queue.first()) is not None:
        queue.serve(first)
        order.append(tracks.index(first))
    assert order == [1, 3, 0, 2]


def test_who_is_put_back_has_its_old_place() -> None:
    queue = FairQueue(limit=9)
    first, second = track(), track()
    queue.enter(first)
    queue.serve(first)
    queue.enter(second)
    queue.put_back(first)
    assert queue.first() is first


def test_those_in_service_count_towards_the_limit_until_they_leave() -> None:
    queue = FairQueue(limit=2)
    first, second = track(), track()
    queue.enter(first)
    queue.serve(first)
    queue.enter(second)
    with pytest.raises(EngineBusy):
        queue.enter(track())
    queue.leave(first)
    queue.enter(track())


def test_cancelled_ones_leave_the_line() -> None:
    queue = FairQueue(limit=1)
    gone = track()
    queue.enter(gone)
    gone.cancelled = True
    queue.drop_cancelled()
    assert queue.first() is None
    queue.enter(track())


def test_burial_names_everybody_inside_and_lasts() -> None:
    queue = FairQueue(limit=9)
    waiting, served = track(), track()
    queue.enter(waiting)
    queue.enter(served)
    queue.serve(served)
    assert {each for each, _ in queue.bury("gone")} == {waiting, served}
    with pytest.raises(EngineDead, match="gone"):
        queue.enter(track())


def test_a_closing_queue_lets_nobody_in_and_ends_the_wait() -> None:
    queue = FairQueue(limit=9)
    queue.enter(track())
    assert queue.wait()
    queue.close()
    assert not queue.wait()
    with pytest.raises(EngineDead, match="closed"):
        queue.enter(track())


def test_errands_are_handed_over_in_turn_and_end_the_wait() -> None:
    queue, done = FairQueue(limit=1), list[int]()
    for i in range(3):
        queue.send(Errand(lambda i=i: done.append(i)))
    assert queue.wait()
    while (errand := queue.next_errand()) is not None:
        errand.run()
    assert done == [0, 1, 2]


def test_an_errand_gives_its_result_or_its_refusal() -> None:
    def refuse() -> None:
        raise AdapterRejected("too wide")

    given, refused = Errand(lambda: 7), Errand(refuse)
    given.run()
    refused.run()
    assert given.outcome.result() == 7
    with pytest.raises(AdapterRejected, match="too wide"):
        refused.outcome.result()


def test_an_errand_that_was_cancelled_is_not_run() -> None:
    done: list[int] = []
    errand = Errand(lambda: done.append(1))
    errand.outcome.cancel()
    errand.run()
    assert not done


def test_an_errand_that_breaks_says_so_and_ends_the_engine() -> None:
    def fall() -> None:
        raise SystemExit("the floor is gone")

    errand = Errand(fall)
    with pytest.raises(SystemExit):
        errand.run()
    with pytest.raises(EngineDead, match="the floor is gone"):
        errand.outcome.result()


def test_burial_refuses_errands_and_later_ones_are_not_taken() -> None:
    queue, errand, cancelled = FairQueue(limit=1), Errand(lambda: 1), Errand(lambda: 1)
    cancelled.outcome.cancel()
    for each in (errand, cancelled):
        queue.send(each)
    queue.bury("gone")
    with pytest.raises(EngineDead, match="gone"):
        errand.outcome.result()
    with pytest.raises(EngineDead, match="gone"):
        queue.send(Errand(lambda: 1))


def test_weights_are_held_until_the_last_request_under_them_leaves() -> None:
    queue = FairQueue(limit=9)
    waiting, served = track(adapter=1), track(adapter=1)
    queue.enter(waiting)
    queue.enter(served)
    queue.serve(served)
    waiting.cancelled = True
    queue.drop_cancelled()
    assert queue.holds(1)
    assert not queue.holds(2)
    queue.leave(served)
    assert not queue.holds(1)
