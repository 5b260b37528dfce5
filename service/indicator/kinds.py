"""The kinds of inputs that the indicator is made of: what each is, and where on the way it is weighed.

The district's network has three levels (点, 站, 场): a recyclable passes a bin or a door, then a station, a yard, and a
plant, and may be weighed at each. So each kind has one counting point, and a way of counting takes each stream of
recyclables at exactly one of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Unit = Literal["grams", "ppm"]
CountingPoint = Literal["bin", "door", "station", "yard", "plant"]
Stream = Literal["bins", "pickup", "scrap_stations", "other"]
CountedAt = Literal["origin", "station", "yard", "plant"]

STREAMS: Final[tuple[Stream, ...]] = ("bins", "pickup", "scrap_stations", "other")
# What each counting point is called, Chinese and English.
POINTS: Final[Mapping[CountingPoint, tuple[str, str]]] = MappingProxyType(
    {
        "bin": ("点：智能回收箱", "bin"),
        "door": ("点：上门", "door"),
        "station": ("站：回收站", "station"),
        "yard": ("场：分拣场", "yard"),
        "plant": ("处理或利用设施", "plant"),
    }
)
# Parts in a million: a share of six digits is exact.
WHOLE_PPM: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Kind:
    """`unit`: grams of a mass, or ppm of a share. `point`: where the mass is weighed; None for a share.

    `streams`: which recyclables are in it; none in what is not recyclables. `recorded`: by operators; what bins
    weighed is added up from weigh events instead.
    """

    id: str
    unit: Unit
    point: CountingPoint | None
    streams: frozenset[Stream]
    name_zh: str
    name_en: str
    definition_zh: str
    definition_en: str
    recorded: bool = True

    @property
    def takes_material(self) -> bool:
        """Recyclables may be reported by material."""
        return bool(self.streams)


def _recyclables(
    kind_id: str,
    point: CountingPoint,
    streams: tuple[Stream, ...],
    names: tuple[str, str],
    definitions: tuple[str, str],
    *,
    recorded: bool = True,
) -> Kind:
    return Kind(kind_id, "grams", point, frozenset(streams), *names, *definitions, recorded=recorded)


def _waste(kind_id: str, names: tuple[str, str], definitions: tuple[str, str]) -> Kind:
    return Kind(kind_id, "grams", "plant", frozenset(), *names, *definitions)


def _share(kind_id: str, names: tuple[str, str], definitions: tuple[str, str]) -> Kind:
    return Kind(kind_id, "ppm", None, frozenset(), *names, *definitions)


KINDS: Final = MappingProxyType(
    {
        kind.id: kind
        for kind in (
            _recyclables(
                "bin_recyclables",
                "bin",
                ("bins",),
                ("智能回收箱回收量", "recyclables weighed by bins"),
                ("由称重事件累计，不需录入", "added up from weigh events; never recorded by hand"),
                recorded=False,
            ),
            _recyclables(
                "pickup_recyclables",
                "door",
                ("pickup",),
                ("上门回收量", "recyclables picked up at the door"),
                ("预约上门收运时称重", "weighed when they are picked up"),
            ),
            _recyclables(
                "scrap_station_recyclables",
                "station",
                ("scrap_stations",),
                ("废品回收站收购量", "recyclables bought by scrap stations"),
                (
                    "废品回收站向居民和单位收购时称重，不含回收箱和上门回收运来的部分",
                    "weighed when a scrap station buys them; without what bins and pickups brought there",
                ),
            ),
            _recyclables(
                "other_recyclables",
                "station",
                ("other",),
                ("其他渠道回收量", "recyclables recovered otherwise"),
                (
                    "既非回收箱、上门回收，也非废品回收站收购",
                    "neither through bins, nor at the door, nor bought by a scrap station",
                ),
            ),
            _recyclables(
                "station_recyclables",
                "station",
                ("bins", "pickup"),
                ("回收站接收量", "recyclables that stations received from bins and doors"),
                (
                    "回收箱和上门回收的物品运到站点时称重；与源头称重是同一批物品",
                    "weighed as they arrive at the station: the same mass that bins and doors weighed before",
                ),
            ),
            _recyclables(
                "yard_recyclables",
                "yard",
                STREAMS,
                ("分拣场接收量", "recyclables that the yard received"),
                (
                    "各渠道物品进入分拣场时称重；与源头、站点称重是同一批物品",
                    "of all channels, weighed as they arrive at the yard: the same mass that was weighed before",
                ),
            ),
            _recyclables(
                "plant_recyclables",
                "plant",
                STREAMS,
                ("进入再生利用工序的回收量", "recyclables that entered the recycling operation"),
                (
                    "各渠道物品进入再生利用企业的工序时称重，不含厨余垃圾",
                    "of all channels, weighed as they enter the recycling operation; without kitchen waste",
                ),
            ),
            _waste(
                "yard_rejects",
                ("分拣后弃除量", "rejects after sorting"),
                (
                    "分拣场接收后又进入焚烧或填埋的部分",
                    "what the yard received and was burned or landfilled later",
                ),
            ),
            _waste(
                "cleared",
                ("生活垃圾清运量 C", "waste cleared (C)"),
                ("环卫部门清运的生活垃圾", "municipal waste that the sanitation department cleared (清运量)"),
            ),
            _waste(
                "kitchen_treated",
                ("厨余垃圾处理量 K", "kitchen waste treated (K)"),
                (
                    "以焚烧、填埋以外的方式处理的厨余垃圾",
                    "kitchen waste treated other than by burning or landfill",
                ),
            ),
            _waste(
                "generated",
                ("生活垃圾产生量 G", "waste generated (G)"),
                ("产生的生活垃圾", "municipal waste that arose"),
            ),
            _waste(
                "disposed",
                ("生活垃圾处置量 D", "waste disposed of (D)"),
                ("焚烧和填埋的生活垃圾", "municipal waste that was burned or landfilled"),
            ),
            _waste(
                "exported",
                ("生活垃圾运出量 X", "waste exported (X)"),
                ("运出本区域处置的生活垃圾", "municipal waste taken out of the area for disposal"),
            ),
            _waste(
                "imported",
                ("生活垃圾运入量 M", "waste imported (M)"),
                ("从外区域运入处置的生活垃圾", "municipal waste brought into the area for disposal"),
            ),
            _waste(
                "burned",
                ("焚烧处理量", "waste burned"),
                ("焚烧处理的生活垃圾", "municipal waste treated by burning"),
            ),
            _waste(
                "landfilled",
                ("填埋处理量", "waste landfilled"),
                ("填埋处理的生活垃圾", "municipal waste treated by landfill"),
            ),
            _share(
                "residue_share",
                ("厨余处理残渣率", "residue of kitchen waste plants"),
                ("厨余垃圾处理后残渣占处理量的比例", "residue as a share of the kitchen waste treated"),
            ),
            _share(
                "burned_factor",
                ("焚烧资源化折算系数", "conversion factor of burning"),
                ("焚烧处理量折算为资源化利用量的系数", "what share of waste burned counts as used"),
            ),
            _share(
                "kitchen_factor",
                ("厨余资源化折算系数", "conversion factor of kitchen waste plants"),
                ("厨余垃圾处理量折算为资源化利用量的系数", "what share of kitchen waste treated counts as used"),
            ),
            _share(
                "landfilled_factor",
                ("填埋资源化折算系数", "conversion factor of landfill"),
                ("填埋处理量折算为资源化利用量的系数", "what share of waste landfilled counts as used"),
            ),
        )
    }
)

# Which kinds make up the recyclables R. Each way takes each stream at one point, so no mass is counted twice.
WAYS_OF_COUNTING: Final = MappingProxyType(
    {
        "origin": ("bin_recyclables", "pickup_recyclables", "scrap_station_recyclables", "other_recyclables"),
        "station": ("station_recyclables", "scrap_station_recyclables", "other_recyclables"),
        "yard": ("yard_recyclables",),
        "plant": ("plant_recyclables",),
    }
)
