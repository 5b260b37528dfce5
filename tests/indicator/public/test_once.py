"""What many ask for is made once."""

import asyncio
from functools import partial

from service.indicator.public_once import Once


async def test_many_who_ask_are_one() -> None:
    made: list[str] = []
    now = [0.0]
    once: Once[str, str] = Once(60, 2, clock=lambda: now[0])

    async def make() -> str:
        made.append("thing")
        await asyncio.sleep(0)
        return f"thing {len(made)}"

    asked = [asyncio.ensure_future(once.get("a", make)) for _ in range(9)]
    await asyncio.sleep(0)
    # Who goes away does not take it from the others.
    asked[0].cancel()
    assert set(await asyncio.gather(*asked[1:])) == {"thing 1"}
    now[0] = 59.9
    assert await once.get("a", make) == "thing 1"
    now[0] = 60.0
    assert await once.get("a", make) == "thing 2"
    for key in ("b", "c"):
        await once.get(key, make)
    # Two are kept: the oldest is gone.
    assert await once.get("a", make) == "thing 5"
    await once.close()


async def test_what_is_being_made_is_not_made_beside_and_ends_with_all() -> None:
    once: Once[int, int] = Once(60, 2)
    begun: list[int] = []
    ended: list[int] = []

    async def make(key: int) -> int:
        begun.append(key)
        try:
            await asyncio.sleep(0 if key < 0 else 3600)
        finally:
            ended.append(key)
        return key

    assert await once.get(-1, partial(make, -1)) == -1
    asked = [asyncio.ensure_future(once.get(key, partial(make, key))) for key in range(4)]
    await asyncio.sleep(0.01)
    # More than are kept: each goes on being made, and only once; what was made has gone for them.
    asked += [asyncio.ensure_future(once.get(key, partial(make, key))) for key in range(4)]
    await asyncio.sleep(0.01)
    assert begun == [-1, 0, 1, 2, 3]
    assert await once.get(-1, partial(make, -1)) == -1
    await once.close()
    assert sorted(ended) == [-1, -1, 0, 1, 2, 3]
    assert {type(each) for each in await asyncio.gather(*asked, return_exceptions=True)} == {asyncio.CancelledError}


async def test_a_failure_is_told_to_all_who_wait_and_is_not_kept() -> None:
    once: Once[str, str] = Once(60, 2)
    failing = True

    async def make() -> str:
        await asyncio.sleep(0)
        if failing:
            raise TimeoutError
        return "made"

    told = await asyncio.gather(*(once.get("a", make) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [TimeoutError] * 3
    failing = False
    assert await once.get("a", make) == "made"
