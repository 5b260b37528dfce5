"""A comparison as a person reads it."""

from rich.console import Console
from rich.table import Table

from loadtest.compare import Comparison, FigureResult, RatioResult
from loadtest.subject import Measure

COLOURS = {"aim met": "green", "bar met": "yellow", "missed": "red", None: "dim"}


def print_comparison(console: Console, comparison: Comparison) -> None:
    """The machine, the ratios with their verdicts, the figures they come from, and what makes them doubtful."""
    machine = comparison.machine
    console.print(
        f"{machine.cores} cores, {machine.system}, Python {machine.python}, PostgreSQL {comparison.postgres}, "
        f"load average at the start {machine.load_average:.2f}",
        highlight=False,
    )
    if machine.tuned_by:
        console.print("tuned by " + ", ".join(f"{name}={value}" for name, value in machine.tuned_by.items()))
    console.print(table_of_ratios(comparison.rows))
    console.print(table_of_figures(comparison.figures))
    for figure in comparison.figures:
        console.print(f"{figure.name}: {figure.done}", style="dim", highlight=False)
        for note in figure.notes:
            console.print(f"{figure.name}: {note}", style="yellow", highlight=False)


def table_of_ratios(rows: list[RatioResult]) -> Table:
    """Bar, aim and verdict of each row."""
    table = Table(title="ratios: median of the rounds")
    table.add_column("")
    for name in ("measured", "bar", "aim", "rounds"):
        table.add_column(name, justify="right")
    table.add_column("verdict")
    for row in rows:
        sign = "≥" if row.more_is_better else "≤"
        table.add_row(
            row.title,
            f"{row.ratio:.3g}",
            "–" if row.bar is None else f"{sign} {row.bar:g}",
            "–" if row.aim is None else f"{sign} {row.aim:g}",
            ", ".join(f"{ratio:.3g}" for ratio in row.ratios),
            f"[{COLOURS[row.verdict]}]{row.verdict or 'not judged'}[/]",
        )
    return table


def table_of_figures(figures: list[FigureResult]) -> Table:
    """What the ratios were made of, and whether the generator held it back."""
    table = Table(title="figures: median of the rounds")
    for name in ("", "measured", "unit", "rounds", "generator's CPU", "it was the limit"):
        table.add_column(name, justify="left" if name in ("", "unit") else "right")
    for figure in figures:
        share = figure.generator_cpu_share
        table.add_row(
            figure.name,
            amount(figure.value),
            figure.unit,
            ", ".join(amount(value) for value in figure.values),
            "–" if share is None else f"{share:.0%}",
            f"{figure.generator_was_the_limit} of {len(figure.values)} rounds" if share is not None else "–",
        )
    return table


def line_of(number: int, name: str, measure: Measure) -> str:
    """One figure of one round, as it is printed when it is measured."""
    shares = [
        f"{who} {share:.0%}"
        for who, share in (
            ("generator", measure.generator_cpu_share),
            ("service", measure.service_cpu_share),
            ("database", measure.database_cpu_share),
        )
        if share is not None
    ]
    cpu = f", CPU: {', '.join(shares)}" if shares else ""
    return f"round {number}  {name:<13} {amount(measure.value):>9} {measure.unit}{cpu}"


def amount(value: float) -> str:
    """`12,345`, or `1.23` for what is small."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
