import pytest

from service.app import ENDPOINTS
from service.bridge.topics import PATHS, Origin, answer_topic, origin_of, subscriptions

OWN = "tanbi/v1/bins/NK-0001"


def test_every_topic_stands_for_a_path_that_bins_post_to() -> None:
    posted = {endpoint.path for endpoint in ENDPOINTS if endpoint.method == "POST" and "bin" in endpoint.callers}
    assert set(PATHS.values()) <= posted


def test_all_bins_are_subscribed_to_at_once_and_shared() -> None:
    assert subscriptions() == [f"$share/tanbi/tanbi/v1/bins/+/{kind}" for kind in PATHS]


def test_a_topic_says_whose_it_is() -> None:
    assert origin_of(f"{OWN}/weigh-events") == Origin("NK-0001", "weigh-events")


@pytest.mark.parametrize(
    "topic",
    [
        f"{OWN}/weigh-events/outcomes",
        f"{OWN}/else",
        f"{OWN}",
        "tanbi/v1/bins//weigh-events",
        "tanbi/v1/bins/NK 1/weigh-events",
        "NK-0001/weigh-events",
        f"tanbi/v1/bins/{'x' * 65}/weigh-events",
    ],
)
def test_other_topics_are_nobodys(topic: str) -> None:
    assert origin_of(topic) is None


@pytest.mark.parametrize("asked", [f"{OWN}/mine", f"{OWN}/weigh-events/outcomes/7"])
def test_an_answer_goes_where_its_bin_asked(asked: str) -> None:
    assert answer_topic(Origin("NK-0001", "weigh-events"), asked) == asked


@pytest.mark.parametrize(
    "asked",
    [
        None,
        "tanbi/v1/bins/NK-0002/mine",
        "tanbi/v1/bins/NK-00011/mine",
        f"{OWN}/+",
        f"{OWN}/#",
        *(f"{OWN}/{kind}" for kind in PATHS),
        "$SYS/broker",
    ],
)
def test_an_answer_goes_to_no_other_bin_and_never_comes_back_as_an_event(asked: str | None) -> None:
    assert answer_topic(Origin("NK-0001", "weigh-events"), asked) == f"{OWN}/weigh-events/outcomes"
