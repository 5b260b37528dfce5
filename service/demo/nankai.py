"""Nankai District as the demo shows it.

The twelve subdistricts are real (南开政发〔2024〕3号). Communities, sites and merchants only sound like the district's,
and stand about where their subdistrict is; tariffs and masses are samples.
"""

from datetime import UTC, datetime
from typing import Final

from service.redemption.merchants import MachineKind

CITY: Final = ("tianjin", "天津市", "Tianjin")
DISTRICT: Final = ("nankai", "南开区", "Nankai District")

# Subdistrict, then its communities: id, Chinese, English. A community's id is preceded by that of its subdistrict.
SUBDISTRICTS: Final = (
    (("gulou", "鼓楼街道", "Gulou"), (("tianlin", "天霖", "Tianlin"), ("longting", "龙亭", "Longting"))),
    (("xingnan", "兴南街道", "Xingnan"), (("tianbao", "天宝", "Tianbao"), ("wumalu", "五马路", "Wumalu"))),
    (("guangkai", "广开街道", "Guangkai"), (("huaiqingli", "怀庆里", "Huaiqingli"), ("fengyuan", "凤园", "Fengyuan"))),
    (
        ("changhong", "长虹街道", "Changhong"),
        (("yejinli", "冶金里", "Yejinli"), ("yuanxingli", "元兴里", "Yuanxingli")),
    ),
    (
        ("xiangyanglu", "向阳路街道", "Xiangyanglu"),
        (("xiyangli", "昔阳里", "Xiyangli"), ("yibinli", "宜宾里", "Yibinli")),
    ),
    (
        ("jialingdao", "嘉陵道街道", "Jialingdao"),
        (("jialingbeili", "嘉陵北里", "Jialing Beili"), ("yunyangli", "云阳里", "Yunyangli")),
    ),
    (
        ("wanxing", "万兴街道", "Wanxing"),
        (("santanxili", "三潭西里", "Santan Xili"), ("wandeli", "万德里", "Wandeli"), ("baozeli", "保泽里", "Baozeli")),
    ),
    (
        ("xuefu", "学府街道", "Xuefu"),
        (
            ("fuhuli", "府湖里", "Fuhuli"),
            ("xuehuli", "学湖里", "Xuehuli"),
            ("longjingli", "龙井里", "Longjingli"),
            ("hushuili", "湖水里", "Hushuili"),
        ),
    ),
    (
        ("shuishanggongyuan", "水上公园街道", "Shuishang Gongyuan"),
        (("shuishangcun", "水上村", "Shuishangcun"), ("xinyuan", "欣苑", "Xinyuan")),
    ),
    (
        ("wangdingdi", "王顶堤街道", "Wangdingdi"),
        (
            ("yingshuidongli", "迎水东里", "Yingshui Dongli"),
            ("yuanyinbeili", "园荫北里", "Yuanyin Beili"),
            ("heyuanbeili", "鹤园北里", "Heyuan Beili"),
        ),
    ),
    (
        ("tiyuzhongxin", "体育中心街道", "Tiyu Zhongxin"),
        (("lingyanli", "凌研里", "Lingyanli"), ("yangguang", "阳光", "Yangguang")),
    ),
    (
        ("huayuan", "华苑街道", "Huayuan"),
        (
            ("tianhuali", "天华里", "Tianhuali"),
            ("bihuali", "碧华里", "Bihuali"),
            ("juhuali", "居华里", "Juhuali"),
            ("anhuali", "安华里", "Anhuali"),
        ),
    ),
)

# About the middle of each subdistrict: latitude and longitude, degrees, WGS 84. Its sites stand on a grid around it,
# about 300 m apart.
CENTRES: Final = {
    "gulou": (39.140, 117.177),
    "xingnan": (39.128, 117.180),
    "guangkai": (39.133, 117.166),
    "changhong": (39.132, 117.150),
    "xiangyanglu": (39.123, 117.158),
    "jialingdao": (39.117, 117.143),
    "wanxing": (39.110, 117.151),
    "xuefu": (39.107, 117.168),
    "shuishanggongyuan": (39.094, 117.160),
    "wangdingdi": (39.094, 117.143),
    "tiyuzhongxin": (39.080, 117.172),
    "huayuan": (39.084, 117.130),
}
GRID: Final = ((0, 0), (1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, -1), (1, -1), (-1, 1))
GRID_DEGREES: Final = 0.003

# Beside one site in each community: id, community, kind, Chinese, English.
OTHER_SITES: Final = (
    ("laochengxiang-jie", "gulou-tianlin", "commercial", "老城厢商业街", "Laochengxiang shopping street"),
    ("aocheng-guangchang", "tiyuzhongxin-yangguang", "commercial", "奥城商业广场", "Aocheng plaza"),
    ("wangdingdi-shangchang", "wangdingdi-yingshuidongli", "commercial", "王顶堤商场", "Wangdingdi market hall"),
    ("changhong-chaoshi", "changhong-yejinli", "commercial", "长虹超市", "Changhong supermarket"),
    ("huayuan-chanyeyuan", "huayuan-anhuali", "industrial", "华苑产业园", "Huayuan industrial park"),
    ("jialing-gongyeyuan", "jialingdao-yunyangli", "industrial", "嘉陵道工业园", "Jialingdao works"),
    ("xiangyang-chuangyiyuan", "xiangyanglu-yibinli", "industrial", "向阳创意园", "Xiangyang workshops"),
    ("shuishang-dongmen", "shuishanggongyuan-shuishangcun", "scenic", "水上公园东门", "Water Park, east gate"),
    ("shuishang-beimen", "shuishanggongyuan-xinyuan", "scenic", "水上公园北门", "Water Park, north gate"),
    ("changhong-gongyuan", "changhong-yuanxingli", "scenic", "长虹公园", "Changhong Park"),
)

# Chinese, English, and the site its shop is at; who has machines only has none.
MERCHANTS: Final[tuple[tuple[str, str, str | None], ...]] = (
    ("学府便利店", "Xuefu Corner Shop", "xuefu-xuehuli"),
    ("府湖里早餐铺", "Fuhuli Breakfast", "xuefu-fuhuli"),
    ("龙井里粮油店", "Longjingli Grain and Oil", "xuefu-longjingli"),
    ("绿源净水", "Lüyuan Water", None),
    ("洁净家日化", "Jiejing Household Goods", "aocheng-guangchang"),
    ("天霖菜市场", "Tianlin Vegetable Market", "gulou-tianlin"),
    ("天宝水果店", "Tianbao Fruit", "xingnan-tianbao"),
    ("怀庆里理发店", "Huaiqingli Barber", "guangkai-huaiqingli"),
    ("冶金里五金店", "Yejinli Hardware", "changhong-yejinli"),
    ("昔阳里面馆", "Xiyangli Noodles", "xiangyanglu-xiyangli"),
    ("嘉陵书屋", "Jialing Books", "jialingdao-jialingbeili"),
    ("三潭洗衣店", "Santan Laundry", "wanxing-santanxili"),
    ("水上奶茶店", "Shuishang Tea", "shuishang-dongmen"),
    ("迎水便民超市", "Yingshui Supermarket", "wangdingdi-yingshuidongli"),
    ("园荫修车铺", "Yuanyin Bicycle Repair", "wangdingdi-yuanyinbeili"),
    ("凌研里药店", "Lingyanli Pharmacy", "tiyuzhongxin-lingyanli"),
    ("天华里生鲜", "Tianhuali Fresh Food", "huayuan-tianhuali"),
    ("碧华里包子铺", "Bihuali Dumplings", "huayuan-bihuali"),
)
# Those who run machines, by their place in MERCHANTS, with the machines' kind.
MACHINE_OPERATORS: Final[tuple[tuple[int, MachineKind], ...]] = (
    (3, "water"),
    (4, "detergent"),
    (0, "water"),
    (13, "detergent"),
    (13, "water"),
)
MACHINES: Final = 18
# How late a machine that was offline may still tell what it gave out.
MACHINE_GRACE_SECONDS: Final = 86_400

# What coins buy: the merchant by its place in MERCHANTS, the id after the merchant's, the machines that give it out
# (None: the shop), title and unit in Chinese and English, coins, pieces a resident may have on a day, and pieces in
# stock. The last two are None where nobody counts.
OFFERS: Final[tuple[tuple[int, str, MachineKind | None, str, str, str, str, int, int | None, int | None], ...]] = (
    (0, "water-5l", "water", "直饮水", "Drinking water", "5 升", "5 l", 50, 4, None),
    (0, "tissues", None, "抽纸", "Tissues", "1 包", "1 pack", 150, None, 300),
    (0, "bin-bags", None, "垃圾袋", "Bin bags", "1 卷", "1 roll", 120, 2, 500),
    (1, "soy-milk", None, "豆浆", "Soy milk", "1 杯", "1 cup", 80, 1, None),
    (2, "eggs-10", None, "鸡蛋", "Box of eggs", "10 枚", "10 eggs", 450, 1, 120),
    (2, "rice-1kg", None, "大米", "Rice", "1 公斤", "1 kg", 500, None, 200),
    (3, "water-5l", "water", "直饮水", "Drinking water", "5 升", "5 l", 50, 4, None),
    (3, "water-19l", "water", "直饮水", "Drinking water", "19 升", "19 l", 160, 1, None),
    (4, "detergent-500ml", "detergent", "洗洁精", "Washing-up liquid", "500 毫升", "500 ml", 180, 2, None),
    (4, "laundry-1l", "detergent", "洗衣液", "Laundry liquid", "1 升", "1 l", 420, 1, None),
    (4, "soap", None, "肥皂", "Soap", "1 块", "1 bar", 100, None, 400),
    (5, "vegetables-1kg", None, "时令蔬菜", "Vegetables of the season", "1 公斤", "1 kg", 300, None, None),
    (6, "apples-1kg", None, "苹果", "Apples", "1 公斤", "1 kg", 400, None, 150),
    (7, "haircut", None, "剪发", "Haircut", "1 次", "1 cut", 1500, 1, None),
    (9, "noodles", None, "炸酱面", "Noodles with soybean paste", "1 碗", "1 bowl", 700, 1, None),
    (10, "notebook", None, "笔记本", "Notebook", "1 本", "1 book", 250, None, 80),
    (12, "tea", None, "柠檬茶", "Lemon tea", "1 杯", "1 cup", 500, 2, None),
    (13, "water-5l", "water", "直饮水", "Drinking water", "5 升", "5 l", 50, 4, None),
    (13, "detergent-500ml", "detergent", "洗洁精", "Washing-up liquid", "500 毫升", "500 ml", 180, 2, None),
    (13, "eggs-10", None, "鸡蛋", "Box of eggs", "10 枚", "10 eggs", 450, 1, 200),
    (16, "tofu", None, "豆腐", "Tofu", "1 盒", "1 box", 150, None, 60),
    (17, "buns-4", None, "包子", "Filled buns", "4 个", "4 buns", 350, 1, None),
)

# The six classes of DB3308/T 102-2022; coins a kilogram, about 100.
MATERIALS: Final = (
    ("paper", "纸类", "paper", 100),
    ("plastic", "塑料", "plastic", 120),
    ("metal", "金属", "metal", 160),
    ("glass", "玻璃", "glass", 40),
    ("textile", "织物", "textiles", 80),
    ("electronics", "电子废弃物", "electronics", 200),
)
# The district's project began in October 2022; paper was paid less until 2024. Midnight in Tianjin.
TARIFFS_FROM: Final = datetime(2022, 9, 30, 16, tzinfo=UTC)
# The fleet plays hundreds of real days in one: what an hour and a day usually bring says nothing of it.
RULES_OF_PACE: Final = frozenset({"improbable_rate", "day_drops", "day_grams", "day_coins"})
# What the scheme pays merchants.
FEN_PER_1000_COINS = 1000
PAPER_TARIFF_RAISED: Final = datetime(2023, 12, 31, 16, tzinfo=UTC)
PAPER_COINS_PER_KG_BEFORE: Final = 80

# Year and per mille, of the district's plan.
TARGETS: Final = ((2025, 350), (2027, 385), (2035, 500))
TARGETS_REASON: Final = "区规划 The district's plan"

# What is recorded of each month: kind, source, kilograms a day. Of the 20 000 residents whom 47 bins serve (FACTS.md,
# reported practice) and not of the whole district, so that the demo's own drops are seen to move the rate.
INPUTS_DAILY_KG: Final = (
    ("cleared", "环卫部门 sanitation department", 18_000),
    ("kitchen_treated", "厨余垃圾处理厂 kitchen waste plant", 3_600),
    ("pickup_recyclables", "上门回收 pickup at the door", 900),
    ("scrap_station_recyclables", "再生资源回收站 scrap stations", 1_700),
)
INPUT_DOCUMENT: Final = "示例数据，非南开区实际数据 / sample data, not the district's figures"
