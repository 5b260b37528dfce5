"""HTTP of the indicator."""

import asyncio

from aiohttp import web

from schemas.indicator import Formulas, Outlook, OutlookQuery, RateQuery, RecyclingRate
from schemas.indicator_inputs import (
    IndicatorInput,
    InputReceipt,
    InputsQuery,
    KindOfInput,
    KindsOfInputs,
    RecordedInputs,
    WayOfCounting,
)
from service.business_days import business_today
from service.errors import (
    AreaUnknown,
    DatabaseUnavailable,
    Forbidden,
    InputOverlaps,
    MaterialUnknown,
    NothingToWithdraw,
    TokenInvalid,
    ValidationFailed,
)
from service.idempotency import KEYED_WRITE
from service.indicator.basis import make_basis
from service.indicator.formulas import FORMULAS
from service.indicator.inputs import RECORDERS, read_inputs, record_input
from service.indicator.kinds import KINDS, WAYS_OF_COUNTING
from service.indicator.outlook import gather_outlook, make_outlook
from service.indicator.rate import formula_answer, gather_rate, make_rate
from service.keys import SETTINGS
from service.operator_requests import operator_snapshot, operator_writes
from service.routing import Routes, json_response, read_query

READ_PROBLEMS = (TokenInvalid, Forbidden, AreaUnknown, ValidationFailed, DatabaseUnavailable)

routes = Routes("indicator")


@routes.route(
    "GET",
    "/v1/indicator/recycling-rate",
    summary="The recycling rate of an area",
    caller="operator",
    query=RateQuery,
    answers={200: RecyclingRate},
    problems=READ_PROBLEMS,
)
async def get_recycling_rate(request: web.Request) -> web.Response:
    """Of a year, a year to date, a quarter or a month and any area of the tree, with the masses it is made of, where on
    the way they were weighed, where they come from, and what is missing. All inputs of the area and below add up. Where
    something that the formula needs is not recorded, the rate is null and the answer says what; nothing is
    estimated."""
    app = request.app
    settings = app[SETTINGS]
    async with operator_snapshot(request) as connection:
        query = read_query(request, RateQuery)
        gathered = await gather_rate(
            connection,
            area_id=query.area,
            asked=query.period,
            formula_id=query.formula or settings.indicator_formula,
            counted_at=query.counted_at,
            today=business_today(settings.business_timezone),
        )
    # Beside the loop: of many inputs it is the better part of a second, in which bins would wait.
    return await asyncio.to_thread(lambda: json_response(make_rate(gathered)))


@routes.route(
    "GET",
    "/v1/indicator/outlook",
    summary="How far a year's target is",
    caller="operator",
    query=OutlookQuery,
    answers={200: Outlook},
    problems=READ_PROBLEMS,
)
async def get_outlook(request: web.Request) -> web.Response:
    """The rate so far, what the whole year will come to by the same months of past years, and what must still be
    recycled to reach the target. Targets lie on a straight line between the years that have one."""
    app = request.app
    settings = app[SETTINGS]
    async with operator_snapshot(request) as connection:
        query = read_query(request, OutlookQuery)
        gathered = await gather_outlook(
            connection,
            area_id=query.area,
            year=query.year,
            formula_id=query.formula or settings.indicator_formula,
            counted_at=query.counted_at,
            today=business_today(settings.business_timezone),
        )
    return await asyncio.to_thread(lambda: json_response(make_outlook(gathered, make_basis(gathered.basis))))


@routes.route(
    "GET",
    "/v1/indicator/formulas",
    summary="The formulas that a rate can be computed by",
    caller="operator",
    answers={200: Formulas},
    problems=(TokenInvalid, Forbidden, DatabaseUnavailable),
)
async def get_formulas(request: web.Request) -> web.Response:
    """Each with its definition in Chinese and English, its source, and what it needs."""
    async with operator_snapshot(request):
        pass
    return json_response(Formulas(formulas=[formula_answer(each) for each in FORMULAS.values()]))


@routes.route(
    "GET",
    "/v1/indicator/kinds",
    summary="The kinds of inputs",
    caller="operator",
    answers={200: KindsOfInputs},
    problems=(TokenInvalid, Forbidden, DatabaseUnavailable),
)
async def get_kinds(request: web.Request) -> web.Response:
    """What may be recorded, in which unit, and where on the way it is weighed; and which kinds each way of counting
    recyclables takes, so that no mass is counted twice."""
    async with operator_snapshot(request):
        pass
    kinds = [
        KindOfInput(
            id=each.id,
            unit=each.unit,
            counting_point=each.point,
            recorded=each.recorded,
            takes_material=each.takes_material,
            name_zh=each.name_zh,
            name_en=each.name_en,
            definition_zh=each.definition_zh,
            definition_en=each.definition_en,
        )
        for each in KINDS.values()
    ]
    ways = [WayOfCounting(id=way, kinds=list(kinds)) for way, kinds in WAYS_OF_COUNTING.items()]
    return json_response(KindsOfInputs(kinds=kinds, ways_of_counting=ways))


@routes.route(
    "POST",
    "/v1/indicator/inputs",
    summary="Record an input of the indicator",
    caller="operator",
    takes=IndicatorInput,
    answers={201: InputReceipt},
    problems=(*KEYED_WRITE, Forbidden, AreaUnknown, MaterialUnknown, InputOverlaps, NothingToWithdraw),
    idempotent=True,
)
async def post_input(request: web.Request) -> web.Response:
    """The same area, period, kind, source and material again is a correction: it gets the next version and supersedes
    the one before; with `withdraw` nothing counts there any more. The answer says what counted until now. Sources of
    one kind add up, and so do an area's own inputs and those of the areas in it: what a source reports for a district
    it cannot report again for a part of it. Of waste cleared and kitchen waste, a source that reports some months must
    report all months that a rate is asked for: record 0 where there was nothing. Recyclables of a month that was not
    reported are not counted, and the rate's coverage says so. A year and a month of it cannot both be recorded. Needs
    the role operator or admin."""
    today = business_today(request.app[SETTINGS].business_timezone)
    return await operator_writes(
        request,
        IndicatorInput,
        lambda connection, operator, wanted: record_input(connection, wanted, recorded_by=operator.key_id, today=today),
        roles=RECORDERS,
        status=201,
    )


@routes.route(
    "GET",
    "/v1/indicator/inputs",
    summary="The recorded inputs, newest first",
    caller="operator",
    query=InputsQuery,
    answers={200: RecordedInputs},
    problems=READ_PROBLEMS,
)
async def get_inputs(request: web.Request) -> web.Response:
    """Every version, also those that a later one superseded."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, InputsQuery)
        return json_response(await read_inputs(connection, query))
