"""HTTP of volumes."""

from dataclasses import asdict

from aiohttp import web

from schemas.volumes import AreaVolumes, VolumeGroup, VolumeMass, VolumesQuery
from service.errors import AreaUnknown, DatabaseUnavailable, Forbidden, TokenInvalid, ValidationFailed
from service.indicator.volumes import read_volumes
from service.operator_requests import operator_snapshot
from service.periods import Period
from service.routing import Routes, json_response, read_query

routes = Routes("indicator")


@routes.route(
    "GET",
    "/v1/indicator/volumes",
    summary="What the bins of an area weighed",
    caller="operator",
    query=VolumesQuery,
    answers={200: AreaVolumes},
    problems=(TokenInvalid, Forbidden, AreaUnknown, ValidationFailed, DatabaseUnavailable),
)
async def get_volumes(request: web.Request) -> web.Response:
    """Of any area with all below it, by the business day of each drop. Groups add up to the total, children to their
    parent, months to their year, to the gram. As old as `tanbi_fold_lag_seconds` says. Not a list with a cursor: there
    are as many groups as materials, areas directly below, months of the period or sources."""
    async with operator_snapshot(request) as connection:
        query = read_query(request, VolumesQuery)
        period = Period.parse(query.period)
        found = await read_volumes(connection, query.area, period.first_day, period.last_day, query.by)
    return json_response(
        AreaVolumes(
            area=query.area,
            area_name=found.area_name,
            area_name_en=found.area_name_en,
            period=str(period),
            by=query.by,
            total=VolumeMass(**asdict(found.total)),
            groups=[
                VolumeGroup(key=each.key, name=each.name, name_en=each.name_en, **asdict(each.mass))
                for each in found.groups
            ],
        )
    )
