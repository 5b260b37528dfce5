"""Examples by the name of their schema, one of each request body: shown in the documents, and posted by their test."""

from typing import Any

EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "type": "tanbi.weigh-event.v1",
    "source": "/bins/NK-0001",
    "id": "01939c1a-7f00-7c3e-9d5a-3f1f0a6c1b2d",
    "time": "2026-11-20T10:00:00+08:00",
    "data": {
        "sequence": 1042,
        "material": "paper",
        "weight_grams": 1250,
        "credential": {"kind": "card", "value": "04A224B15C6180"},
        "box_weight_grams": 20310,
    },
}
# Nobody showed a card, and the bin has no scale under its box.
EVENT_OF_NOBODY: dict[str, Any] = {
    **EVENT,
    "id": "01939c1a-8a10-7b52-b3c4-5d6e7f809102",
    "time": "2026-11-20T10:01:30+08:00",
    "data": {"sequence": 1043, "material": "plastic", "weight_grams": 480},
}

TELEMETRY: dict[str, Any] = {
    "specversion": "1.0",
    "type": "tanbi.telemetry.v1",
    "source": "/bins/NK-0001",
    "id": "01939c1a-9c00-7a11-8c2d-4b5a69788712",
    "time": "2026-11-20T10:02:00+08:00",
    "data": {
        "firmware": "2.4.1",
        "boxes": [{"material": "paper", "fill_percent": 64, "mass_grams": 20310}],
        "temperature_celsius": 18.5,
        "smoke": False,
        "door": "closed",
        "scale_zero_grams": -2,
        "battery_percent": 91,
    },
}
HEARTBEAT: dict[str, Any] = {
    **{name: value for name, value in TELEMETRY.items() if name != "data"},
    "id": "01939c1a-9d30-7e42-b7a1-0c1d2e3f4a5b",
    "time": "2026-11-20T10:02:30+08:00",
}

CLEARANCE: dict[str, Any] = {
    "specversion": "1.0",
    "type": "tanbi.clearance.v1",
    "source": "/bins/NK-0001",
    "id": "01939c1a-ae50-7d14-90b2-1a2b3c4d5e6f",
    "time": "2026-11-20T10:05:00+08:00",
    "data": {
        "sequence": 1044,
        "material": "paper",
        "collector": "V-07",
        "mass_before_grams": 20310,
        "mass_after_grams": 40,
    },
}
# The other box, by the same vehicle.
CLEARANCE_OF_ANOTHER: dict[str, Any] = {
    **CLEARANCE,
    "id": "01939c1a-b120-7f35-8e6d-7c8b9aa1b2c3",
    "time": "2026-11-20T10:06:10+08:00",
    "data": {**CLEARANCE["data"], "sequence": 1045, "material": "plastic", "mass_before_grams": 6120},
}

EXAMPLES: dict[str, Any] = {
    "WeighEvent": EVENT,
    "WeighEventBatch": [EVENT, EVENT_OF_NOBODY],
    "WeighEventOutcomes": {
        "outcomes": [
            {"id": EVENT["id"], "outcome": "credited", "coins": 125, "balance_coins": 310},
            {"id": EVENT_OF_NOBODY["id"], "outcome": "unclaimed", "coins": 0},
        ]
    },
    "Telemetry": TELEMETRY,
    "TelemetryBatch": [TELEMETRY, HEARTBEAT],
    "TelemetryOutcomes": {
        "outcomes": [
            {"id": TELEMETRY["id"], "outcome": "recorded"},
            {"id": HEARTBEAT["id"], "outcome": "recorded"},
        ]
    },
    "Clearance": CLEARANCE,
    "ClearanceBatch": [CLEARANCE, CLEARANCE_OF_ANOTHER],
    "ClearanceOutcomes": {
        "outcomes": [
            {"id": CLEARANCE["id"], "outcome": "recorded"},
            {"id": CLEARANCE_OF_ANOTHER["id"], "outcome": "recorded"},
        ]
    },
    "LogIn": {"wechat_code": "0e3xK1ll2WqJ5e4Sgrnl2kVjQK3xK1lW"},
    "BindCard": {"value": "04A224B15C6180"},
    "OwnRedemptionRequest": {"merchant_id": "NK-M-01", "coins": 120},
    "PayCodeRedemptionRequest": {"pay_code": "281374650912345678", "coins": 120, "capture": True},
    "CaptureRequest": {"coins": 80},
    "VoidRequest": {},
    "RefundRequest": {"coins": 40, "reason": "少装一瓶 One bottle short"},
    "NewOffer": {
        "id": "NK-M-01.water-5l",
        "title": "直饮水",
        "title_en": "Drinking water",
        "unit": "5 升",
        "unit_en": "5 l",
        "coins": 50,
        "machine_kind": "water",
        "resident_day_max": 4,
    },
    "OfferChange": {"coins": 60, "add_stock": 100},
    "WebhookRegistration": {"url": "https://shop.example/tanbi"},
    "WebhookReplayRequest": {},
    "AdjustmentRequest": {
        "resident_id": 1042,
        "direction": "debit",
        "coins": 70,
        "reason": "同一次投放称重两次 Weighed twice",
        "reference": "case 2026-118",
        "corrects_id": 98231,
    },
    "ApproveAdjustmentRequest": {},
    "RejectAdjustmentRequest": {"reason": "秤没有错 The scale was right"},
    "KindRequest": {
        "resident_id": 1042,
        "kind": "trader",
        "reason": "废品收购站 A scrap dealer, by the station's register",
    },
    "ReleaseRequest": {
        "reason": "时钟偏差已核实 The bin's clock was wrong",
        "placed_at": "2026-11-20T10:00:00+08:00",
    },
    "RejectRequest": {"reason": "箱内重量没有增加 The box did not get heavier"},
    "AppealRequest": {"text": "我当时投了两捆纸板。I dropped two bundles of cardboard."},
    "IndicatorInput": {
        "area": "nankai",
        "period": "2025-03",
        "kind": "cleared",
        "source": "南开区城市管理委员会",
        "grams": 18_450_000_000,
        "document": {
            "name": "生活垃圾清运量月报 2025-03",
            "date": "2025-04-02",
            "sha256": "3f0c1e7a9b52d4868e17c0aa5bd1f2936c4be8d70f15a2993ee1b0d44c8a7f61",
        },
    },
    "NewTarget": {
        "area": "nankai",
        "year": 2030,
        "rate_per_mille": 435,
        "reason": "十五五规划 The next plan",
    },
    "StationReport": {
        "month": "2025-10",
        "weights": [{"material": "paper", "grams": 1_250_000}, {"material": "metal", "grams": 84_500}],
    },
    "CsvSheet": "区域 area,期间 period,类别 kind,来源 source,数量（吨） amount (t)\n"
    "nankai,2025-02,厨余垃圾处理量,南开区城市管理委员会,1234.5\n"
    "nankai,2025-02,上门回收量,南开区城市管理委员会,87.25\n",
    "PublicationProposal": {"area": "nankai", "period": "2025"},
    "PublishRequest": {},
    "RejectPublicationRequest": {"reason": "清运量有误 The waste cleared is wrong"},
    "FactorSetRequest": {
        "id": "cn.example.2026",
        "name": "示例因子集（2026）",
        "name_en": "Example set, 2026",
        "source": "示例 An example: no method's figures",
        "factors": [
            {"material": "paper", "milligrams_co2e_per_kg": 250000, "stands_for": "废纸 waste paper"},
            {"material": "plastic", "milligrams_co2e_per_kg": 1475500, "stands_for": "废塑料 waste plastic"},
        ],
    },
    "NewBin": {
        "id": "NK-0099",
        "site_id": "site-1",
        "model": "HB-2",
        "verification_interval_grams": 10,
        "capacity_grams": 60_000,
        "box_capacity_grams": 30_000,
        "certificate_expires_on": "2027-12-31",
    },
    "BinReason": {"reason": "换控制板 New controller"},
    "BinMove": {"site_id": "site-2", "reason": "小区改造 The yard is rebuilt"},
    "ServiceVisit": {"reason": "季度巡检 Quarterly visit"},
    "ScaleChange": {"certificate_expires_on": "2028-12-31", "reason": "检定合格 Verified"},
    "KeyEnd": {"keyid": "NK-0099", "reason": "密钥泄露 Key leaked"},
    "FirmwareAnnouncement": {
        "model": "HB-2",
        "version": "2.4.1",
        "notice": "修复离线缓存",
        "notice_en": "Mends the queue of offline events",
        "url": "https://firmware.example/hb-2-2.4.1.bin",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    "Claim": {
        "claim_code": "7K3QX-9M2TB-4DWHZ-N8VJE-1RG6P",
        "algorithm": "ed25519",
        "public_key": "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
    },
    "NewKey": {"algorithm": "hmac-sha256"},
    "ConfirmKey": {},
}
