"""What the OpenAPI document says in prose: the rules that hold for every path, and how each caller is known."""

from typing import Any, Final

from schemas.signatures import REQUIRED_COMPONENTS, TOLERANCE_SECONDS, Algorithm

_COMPONENTS: Final = " ".join(f'"{name}"' for name in REQUIRED_COMPONENTS)

DESCRIPTION: Final = """\
Smart bins post weigh events; residents earn carbon coins (碳币) and spend them at merchants and vending machines.

智能回收箱上报称重事件，居民获得碳币，并在合作商户和自助机使用。

- JSON in UTF-8. Times are RFC 3339 with an offset. Units are in names: `weight_grams`, `coins`; both are whole numbers.
- A field that is not described here is refused, as is a parameter of a list or a report. \
Answers may gain fields: ignore those you do not know.
- Errors are `application/problem+json` (RFC 9457). Decide by `code`: [every code and what to do](/problems). \
`title`, and `detail` where it is given so, is in Chinese where `Accept-Language` begins with `zh`.
- A path that is not in this document: 404 `not_found`. A method that is not: 405 `method_not_allowed`, with `Allow`.
- 503 and 429 come with `Retry-After`. Sending the same bytes again is always safe: a weigh event is known by \
bin and id, a redemption by its `Idempotency-Key`.
- Lists give `next_cursor`, null on the last page; send it as `cursor`, unchanged.
"""

TAGS: Final[list[dict[str, Any]]] = [
    {"name": "weighing", "description": "Bins' drops 回收箱投放"},
    {
        "name": "fleet",
        "description": "Bins in the field: keys, places, telemetry, states, alarms 设备管理与运行",
    },
    {"name": "residents", "description": "The mini-program 小程序"},
    {"name": "redemption", "description": "Coins spent at merchants and machines 兑换"},
    {"name": "indicator", "description": "The recycling rate 城市生活垃圾回收利用率"},
    {"name": "imports", "description": "Sheets of inputs, CSV and XLSX 数据导入"},
    {"name": "stations", "description": "Scrap stations' monthly weights 废品回收站填报"},
    {"name": "publications", "description": "Published figures, by two operators 数据发布"},
    {"name": "public", "description": "Open data and the page for everyone 公开数据"},
    {"name": "carbon", "description": "Emissions that recycling avoided, by named factor sets 碳减排核算"},
    {"name": "adjustments", "description": "Corrections of wallets, by two operators 调账"},
    {"name": "review", "description": "Held drops: released or rejected 投放审核"},
    {"name": "settlement", "description": "Statements of merchants, and coins outstanding 商户结算"},
    {"name": "webhooks", "description": "Messages posted to merchants, by Standard Webhooks 1.0 商户回调"},
    {"name": "operations", "description": "Probes, metrics and these documents 运行与文档"},
]

_PROFILE: Final = f"""\
RFC 9421 with RFC 9530. Each request carries `Content-Digest` (`sha-256`), `Signature-Input` and `Signature`: one
signature under one label, which covers at least `{_COMPONENTS}`, with the parameters `created` (Unix seconds, at most
{TOLERANCE_SECONDS} s from the service's clock) and `keyid`. The algorithm is that of the key's record,
{" or ".join(f"`{algorithm.value}`" for algorithm in Algorithm)}; `alg` may repeat it and never chooses it.
"""

_BIN_SIGNATURE: Final = f"""\
A bin's own key. {_PROFILE}
The `source` of every event is the signer's own: `/bins/<id>`. A bin has its first key from `POST /v1/bins/claim`, and
changes it by `POST /v1/bins/me/keys`. What has no body is signed with the digest of no bytes.

`Signature-Input: sig1=({_COMPONENTS});created=1790000000;keyid="NK-0001"`
"""

_MACHINE_SIGNATURE: Final = f"""\
A machine's own key (`tanbi machine add`), in place of its merchant's API key: a request has one or the other.
{_PROFILE}
Cover `"idempotency-key"` too.

`Signature-Input: sig1=({_COMPONENTS} "idempotency-key");created=1790000000;keyid="NK-W-01"`
"""

SECURITY_SCHEMES: Final[dict[str, Any]] = {
    "bin_signature": {"type": "apiKey", "in": "header", "name": "Signature", "description": _BIN_SIGNATURE},
    "resident_token": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of `POST /v1/sessions`, of one resident.",
    },
    "merchant_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of a merchant (`tanbi key create --role merchant`).",
    },
    "machine_signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Signature",
        "description": _MACHINE_SIGNATURE,
    },
    "operator_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key with the role viewer, operator, auditor or admin (`tanbi key create --role …`).",
    },
    "station_key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key of a scrap station (`tanbi key create --role station --station …`).",
    },
}
