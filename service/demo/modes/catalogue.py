"""Every mode by its name, with what it shows in Chinese and English."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from schemas.signatures import Algorithm
from service.demo.modes import clocks, deliveries, keys, masses
from service.demo.modes.stage import Stage
from service.demo.modes.steps import Script


@dataclass(frozen=True, slots=True)
class Mode:
    """`in_field`: its bin has stood there for long, and tells of days before now; others are claimed for the show."""

    name: str
    zh: str
    en: str
    play: Callable[[Stage], Script]
    algorithm: Algorithm = Algorithm.ED25519
    in_field: bool = False


MODES: Final = {
    mode.name: mode
    for mode in (
        Mode(
            "duplicate",
            "应答丢失后重发, 同一批内重复, 同号异重",
            "sent again after a lost answer, twice in a batch, and once with another weight",
            deliveries.duplicates,
            Algorithm.HMAC_SHA256,
        ),
        Mode(
            "reorder",
            "事件乱序到达, 缺号先开后合",
            "events overtake each other; the gap opens and closes",
            deliveries.reordered,
        ),
        Mode(
            "offline-burst",
            "离线三天后补报 540 条, 新的先到",
            "three days offline, then 540 events at once, the newest first",
            deliveries.offline_burst,
            in_field=True,
        ),
        Mode(
            "clock-1970",
            "断电后时钟回到 1970 年",
            "a power cut sets the clock to 1970",
            clocks.clock_1970,
            Algorithm.HMAC_SHA256,
        ),
        Mode(
            "clock-skew",
            "时钟偏差 200 秒与 900 秒",
            "a clock that is off by 200 s, and by 900 s",
            clocks.clock_skew,
        ),
        Mode(
            "counter-reset",
            "计数器清零; 旧事件换号重放",
            "the counter begins anew; then a drop is replayed under a new id",
            clocks.counter_reset,
        ),
        Mode(
            "tampered-body",
            "途中把 1.25 kg 改成 9.25 kg",
            "1.25 kg becomes 9.25 kg on the way",
            keys.tampered_body,
            Algorithm.HMAC_SHA256,
        ),
        Mode(
            "stolen-key",
            "换钥后旧密钥被盗用",
            "someone uses the key that the bin had before",
            keys.stolen_key,
        ),
        Mode(
            "leaning",
            "踩秤: 显示 5 kg, 箱内只增 1 kg",
            "a foot on the platform: 5 kg shown, 1 kg in the box",
            masses.leaning,
        ),
        Mode(
            "take-back",
            "投放入账后取回, 下一位投放时才显现",
            "a drop is taken out again; the next one shows it, which is another's, and is released",
            masses.take_back,
        ),
        Mode(
            "wet-cardboard",
            "浸水纸板 18 kg; 清运时水已流走 5 kg",
            "soaked cardboard of 18 kg; 5 kg have run off when the box is emptied",
            masses.wet_cardboard,
        ),
        Mode(
            "trader",
            "同一天各投 12 次: 居民账户与收购者账户",
            "twelve drops on a day each: a resident's account and a trader's",
            masses.trader,
            in_field=True,
        ),
        Mode(
            "drifting-scale",
            "秤零点漂移: 允许误差之内与之外",
            "the scale drifts: within what it may err, and beyond",
            masses.drifting_scale,
        ),
    )
}
