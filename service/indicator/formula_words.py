"""Each formula and each quantity in the words of the public page: what the rate is, what it means. Pure."""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from service.indicator.public_words import Named


@dataclass(frozen=True, slots=True)
class FormulaInWords:
    """`meaning` of a published figure; {area}, {period} and {kg} are filled in."""

    what: Named
    meaning: Named


_RECYCLED: Final = FormulaInWords(
    Named(
        "回收利用率，是没有进入焚烧和填埋设施的可回收物和厨余垃圾，占生活垃圾产生量的比例。",
        "The recycling rate is the share of municipal waste that was recovered as recyclables or kitchen waste, and"
        " went neither to incineration nor to landfill.",
    ),
    Named(
        "{area} {period}每产生 100 千克生活垃圾，约有 {kg} 千克得到回收利用，没有进入焚烧和填埋设施。",
        "Of every 100 kg of municipal waste that arose in {area} in {period}, about {kg} kg were recycled and did not"
        " go to incineration or landfill.",
    ),
)
_RECYCLED_ALONE: Final = Named(
    "{area} {period}每产生 100 千克生活垃圾，约有 {kg} 千克作为可回收物得到再生利用；厨余垃圾不计入。",
    "Of every 100 kg of municipal waste that arose in {area} in {period}, about {kg} kg were recycled as recyclables;"
    " kitchen waste does not count.",
)

# By the formula's id, all of its versions.
OF_FORMULA: Final = MappingProxyType(
    {
        "cn.cleared_plus_recovered": _RECYCLED,
        "cn.generated": _RECYCLED,
        "cn.net_residue": FormulaInWords(
            Named(
                "回收利用率，是没有进入焚烧和填埋设施的可回收物和厨余垃圾（扣除厨余处理残渣），占生活垃圾产生量的比例。",
                "The recycling rate is the share of municipal waste that was recovered as recyclables or kitchen waste,"
                " less what kitchen-waste plants left over, and went neither to incineration nor to landfill.",
            ),
            _RECYCLED.meaning,
        ),
        "eu.2019_1004": FormulaInWords(
            Named(
                "回收利用率，是进入再生利用工序的重量占生活垃圾产生量的比例（欧盟口径）。",
                "The recycling rate is the weight that entered the recycling operation, as a share of the municipal"
                " waste generated (the rule of the European Union).",
            ),
            _RECYCLED_ALONE,
        ),
        "cn.resource_utilisation": FormulaInWords(
            Named(
                "资源化利用率，是回收的可回收物，以及焚烧、厨余处理和填埋中按系数折算的利用量，占生活垃圾产生量的比例。",
                "The rate of resource use is the share of municipal waste that was recovered as recyclables, or counts"
                " as used by burning, in kitchen-waste plants or on landfills, each by its conversion factor.",
            ),
            Named(
                "{area} {period}每产生 100 千克生活垃圾，约有 {kg} 千克得到资源化利用，其中含焚烧等方式的折算量。",
                "Of every 100 kg of municipal waste that arose in {area} in {period}, about {kg} kg were put to use;"
                " burning and other ways count by their conversion factors.",
            ),
        ),
        "us.epa1997": FormulaInWords(
            Named(
                "回收利用率，是回收量占回收、处置和净运出总量的比例（美国环保署口径）。",
                "The recycling rate is what was recycled as a share of what was recycled, disposed of and exported,"
                " less what was imported (the guide of the US EPA).",
            ),
            _RECYCLED_ALONE,
        ),
    }
)

# By the quantity's id (formulas.QUANTITIES), with its symbol.
OF_QUANTITY: Final = MappingProxyType(
    {
        "recovered": Named(
            "R，可回收物回收量：智能回收箱、上门回收和废品回收站等渠道的纸、塑料、金属、玻璃、织物和电子产品。",
            "R, recyclables recovered: paper, plastic, metal, glass, textiles and electronics from smart bins, from"
            " collection at the door, from scrap stations and other ways.",
        ),
        "kitchen_treated": Named(
            "K，厨余垃圾处理量：不经焚烧和填埋处理的厨余垃圾，由城管部门报送。",
            "K, kitchen waste treated: kitchen waste treated other than by incineration or landfill, as reported by the"
            " sanitation department.",
        ),
        "cleared": Named(
            "C，生活垃圾清运量：环卫车辆清运的生活垃圾，由城管部门报送。",
            "C, waste cleared: municipal waste taken away by the sanitation department, as it reports.",
        ),
        "generated": Named(
            "G，生活垃圾产生量：产生的全部生活垃圾。", "G, waste generated: all municipal waste that arose."
        ),
        "disposed": Named(
            "D，生活垃圾处置量：焚烧和填埋的生活垃圾。", "D, waste disposed of: municipal waste burned or landfilled."
        ),
        "exported": Named("X，生活垃圾运出量：运到区外的。", "X, waste exported: what was taken out of the area."),
        "imported": Named("M，生活垃圾运入量：从区外运入的。", "M, waste imported: what was brought into the area."),
        "yard_rejects": Named(
            "J，分拣后弃除量：分拣后没有利用的，从回收量中扣除。",
            "J, rejects after sorting: sorted out and not recycled, taken off what was recovered.",
        ),
        "kitchen_residue": Named(
            "K×r，厨余处理残渣量：厨余处理设施剩下的残渣，从 K 中扣除。",
            "K×r, residue of kitchen waste plants: what they left over, taken off K.",
        ),
        "burned_used": Named(
            "B×f，焚烧折算利用量：焚烧量乘以折算系数。", "B×f, waste burned, times its conversion factor."
        ),
        "kitchen_used": Named(
            "K×f，厨余折算利用量：厨余处理量乘以折算系数。",
            "K×f, kitchen waste treated, times its conversion factor.",
        ),
        "landfilled_used": Named(
            "L×f，填埋折算利用量：填埋量乘以折算系数。", "L×f, waste landfilled, times its conversion factor."
        ),
    }
)
