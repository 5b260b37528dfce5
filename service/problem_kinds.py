"""Every kind of problem this service can answer with, read from the classes that say so."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from schemas import signatures
from service import errors
from service.errors import SignatureRefused, TanbiError


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One code, with the class that raises it; `meaning` says what it means and what to do."""

    code: str
    status: int
    title: str
    title_zh: str
    meaning: str

    def document(self) -> dict[str, Any]:
        """The problem as RFC 9457 has it, with the members that each has."""
        return {
            "type": f"/problems#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.meaning,
            "code": self.code,
        }


def problem_kinds(classes: Iterable[type[TanbiError]]) -> Iterator[ProblemKind]:
    """The kinds of these classes, in order. One class stands for several: a refused signature has a code a cause."""
    for error in classes:
        if error is SignatureRefused:
            for cause in _signature_errors():
                yield _kind(error, cause.code, cause.__doc__)
        else:
            yield _kind(error, error.code, error.__doc__)


def every_problem_kind() -> list[ProblemKind]:
    """By status; within one status in the order of errors.py."""
    return sorted(problem_kinds(error_classes()), key=lambda kind: kind.status)


def error_classes() -> list[type[TanbiError]]:
    """The whole tree but for its root, in the order of errors.py."""
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, TanbiError)]
    return [value for value in classes if value is not TanbiError]


def _signature_errors() -> list[type[signatures.SignatureError]]:
    classes = [value for value in vars(signatures).values() if isinstance(value, type)]
    return [
        value
        for value in classes
        if issubclass(value, signatures.SignatureError) and value is not signatures.SignatureError
    ]


def _kind(error: type[TanbiError], code: str, docstring: str | None) -> ProblemKind:
    return ProblemKind(code, error.status, error.title, error.title_zh, " ".join((docstring or "").split()))
