"""Every kind of problem has what a caller needs to decide and a person to read."""

import re

from schemas import signatures
from schemas.outcome_codes import OutcomeCode
from schemas.weigh_events import Outcome
from service import errors
from service.errors import TanbiError
from service.problem_kinds import error_classes, every_problem_kind, problem_kinds

KINDS = every_problem_kind()


def test_every_class_of_the_tree_says_its_own_code_title_and_meaning() -> None:
    for error in error_classes():
        own = vars(error)
        assert {"code", "title", "title_zh"} <= own.keys() or error is errors.InternalError, error
        assert (error.__doc__ or "").strip(), error
        assert "status" in own or error.__base__ is not TanbiError or error is errors.InternalError, error


def test_every_code_is_of_one_kind_only_and_stays_a_plain_word() -> None:
    codes = [kind.code for kind in KINDS] + [code.value for code in OutcomeCode]
    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", code) for code in codes)


def test_titles_are_in_both_languages_and_meanings_are_sentences() -> None:
    for kind in KINDS:
        assert kind.title.isascii()
        assert re.search(r"[一-鿿]", kind.title_zh), kind
        assert kind.meaning.endswith("."), kind
    for code in OutcomeCode:
        assert code.label.isascii()
        assert re.search(r"[一-鿿]", code.label_zh), code
        assert code.meaning.endswith("."), code
        assert code.outcome in set(Outcome)


def test_a_refused_signature_has_every_code_of_the_profile() -> None:
    profile = {error.code for error in signatures.SignatureError.__subclasses__()}
    assert {kind.code for kind in problem_kinds([errors.SignatureRefused])} == profile
    assert profile <= {kind.code for kind in KINDS}


def test_no_expected_failure_is_declared_outside_the_tree() -> None:
    import service.app  # noqa: F401  # so that every module of the service is loaded

    def below(error: type[TanbiError]) -> set[type[TanbiError]]:
        return {error}.union(*(below(each) for each in error.__subclasses__()))

    ours = {error for error in below(TanbiError) if error.__module__.startswith("service")}
    assert ours - {TanbiError} == set(error_classes())
