"""Every expected failure, as one tree. A class's docstring is its message; `problems.py` turns one into RFC 9457.

Each class has its title in Chinese and English. Where a clerk of the city may read a detail, who raises it gives it in
Chinese too (`zh`): commands print both, and over HTTP whoever asks for Chinese gets it. Elsewhere the Chinese title
stands beside the English detail.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar


class TanbiError(Exception):
    """The request could not be carried out."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "internal_error"
    title: ClassVar[str] = "Internal error"
    title_zh: ClassVar[str] = "服务内部错误"

    def __init__(
        self,
        detail: str | None = None,
        *,
        zh: str | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        """`zh` is the detail in Chinese. `errors` are {pointer, code, detail} of single fields; `members` are further
        members of the problem."""
        self.detail = detail or " ".join((type(self).__doc__ or "").split())
        self.detail_zh = zh
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.members = members
        super().__init__(self.detail)


class InternalError(TanbiError):
    """Something unexpected happened; whether the request took effect is not known. Send the same again, which is safe;
    tell us the incident if it stays."""


# -- 400 ------------------------------------------------------------------------------------------------------------


class BadRequest(TanbiError):
    """The request is malformed."""

    status = 400
    code = "bad_request"
    title = "Bad request"
    title_zh = "请求格式错误"


class MalformedJson(BadRequest):
    """The body is not JSON in UTF-8."""

    code = "malformed_json"
    title = "The body is not JSON"
    title_zh = "请求体不是有效的 JSON"


class BodyIncomplete(BadRequest):
    """The body ended before its Content-Length. Send the request again, whole."""

    code = "body_incomplete"
    title = "Half a body"
    title_zh = "请求体不完整"


class IdempotencyKeyMissing(BadRequest):
    """Send an Idempotency-Key header of 1 to 64 characters of A-Z a-z 0-9 . _ : -, a new one for each new intent."""

    code = "idempotency_key_missing"
    title = "Idempotency-Key is missing or malformed"
    title_zh = "缺少 Idempotency-Key 或格式错误"


class TwoCredentials(BadRequest):
    """The request is signed and has an API key too. Send one of them: devices sign, people send their key."""

    code = "two_credentials"
    title = "Two credentials"
    title_zh = "同时提供了两种凭证"


# -- 401, 403 -------------------------------------------------------------------------------------------------------


class Unauthorized(TanbiError):
    """Send a valid credential."""

    status = 401
    code = "unauthorized"
    title = "Not authenticated"
    title_zh = "未通过身份验证"


class TokenInvalid(Unauthorized):
    """The bearer token is missing, unknown, expired, revoked, or of another kind of caller than this path is for."""

    code = "token_invalid"
    title = "Token not accepted"
    title_zh = "令牌无效"


class SignatureRefused(Unauthorized):
    """The request's signature does not hold."""

    code = "signature_wrong"
    title = "Signature not accepted"
    title_zh = "签名无效"

    def __init__(self, code: str, detail: str, **members: Any) -> None:
        super().__init__(detail, **members)
        # The signature profile has codes of its own, one a cause.
        self.code = code  # type: ignore[misc]


class KeyUnknown(Unauthorized):
    """No key of this keyid is valid now. Use the device's current key, or claim the device again."""

    code = "key_unknown"
    title = "Signing key not known"
    title_zh = "签名密钥未登记"


class ClaimCodeRefused(Unauthorized):
    """This claim code is not good: it was mistyped, is over, was used, or has been replaced by a newer one. Compare it
    with the operator's; or ask for a new one."""

    code = "claim_code_refused"
    title = "Claim code not accepted"
    title_zh = "设备认领码无效"


class WechatCodeRefused(Unauthorized):
    """WeChat did not accept the code: it is wrong, used or expired. Call wx.login() and send the new code."""

    code = "wechat_code_refused"
    title = "WeChat code not accepted"
    title_zh = "微信登录凭证无效"


class Forbidden(TanbiError):
    """This caller may not do this."""

    status = 403
    code = "forbidden"
    title = "Not allowed"
    title_zh = "没有权限"


class SourceMismatch(Forbidden):
    """An event names another bin as its source than the one that signed. Nothing of this request was stored."""

    code = "source_mismatch"
    title = "Source is not the signer"
    title_zh = "事件来源与签名设备不一致"


class BinSuspended(Forbidden):
    """This bin is suspended. Keep the events and send them again when the operator has resumed it."""

    code = "bin_suspended"
    title = "Bin is suspended"
    title_zh = "设备已停用"


class KeyNotNewest(Forbidden):
    """Only the newest key of a bin makes, confirms and ends keys. Sign with it; a bin that lost it is claimed again."""

    code = "key_not_newest"
    title = "Not the newest key"
    title_zh = "不是设备的最新密钥"


class OwnAdjustment(Forbidden):
    """Nobody approves their own adjustment, also not with a second key of the same name. Ask another operator."""

    code = "own_adjustment"
    title = "Your own adjustment"
    title_zh = "不能批准自己的调账申请"


class OwnPublication(Forbidden):
    """Nobody publishes what they proposed, also not with a second key of the same name. Ask another operator."""

    code = "own_publication"
    title = "Your own proposal"
    title_zh = "不能发布自己提出的数值"


class OwnRejection(Forbidden):
    """Who has rejected a drop does not decide on the appeal against it, also not with a second key of the same name.
    Ask another operator."""

    code = "own_rejection"
    title = "Your own rejection"
    title_zh = "不能处理针对本人驳回决定的申诉"


class WechatUserRefused(Forbidden):
    """WeChat holds this user for high-risk; they cannot log in until WeChat clears it."""

    code = "wechat_user_refused"
    title = "WeChat refuses this user"
    title_zh = "微信限制该用户登录"


# -- 404, 405, 409, 413, 415, 422 -----------------------------------------------------------------------------------


class NotFound(TanbiError):
    """There is nothing here by that name."""

    status = 404
    code = "not_found"
    title = "Not found"
    title_zh = "未找到"


class AreaUnknown(NotFound):
    """No area has this id."""

    code = "area_unknown"
    title = "Area not known"
    title_zh = "区域不存在"

    @classmethod
    def of(cls, area_id: str) -> "AreaUnknown":
        return cls(f"There is no area {area_id}.", zh=f"没有区域“{area_id}”。")


class AreaNotPublic(NotFound):
    """Public figures are those of districts: name one with `area`, or leave it out for the one that is set."""

    code = "area_not_public"
    title = "No public figures of this area"
    title_zh = "该区域没有公开数据"


class PublicAreaUnset(NotFound):
    """Which district the public figures are of is not set: name one with `area`, or set TANBI_PUBLIC_AREA."""

    code = "public_area_unset"
    title = "District of the public figures not set"
    title_zh = "未设置公开数据的区域"


class PublicationWithheld(NotFound):
    """The public record of this publication is withheld: it would tell what bins weighed in a year of which no month is
    shown, so that it may rest on fewer than ten drops. Its digits and its digest are public."""

    code = "publication_withheld"
    title = "Record withheld"
    title_zh = "该发布记录暂不公开"


class MaterialUnknown(NotFound):
    """No material has this id."""

    code = "material_unknown"
    title = "Material not known"
    title_zh = "品类不存在"


class FactorSetUnknown(NotFound):
    """No carbon factor set has this id."""

    code = "factor_set_unknown"
    title = "Factor set not known"
    title_zh = "碳减排因子集不存在"


class RuleUnknown(NotFound):
    """There is no rule of plausibility of this name."""

    code = "rule_unknown"
    title = "Rule not known"
    title_zh = "规则不存在"


class MerchantUnknown(NotFound):
    """No merchant has this id."""

    code = "merchant_unknown"
    title = "Merchant not known"
    title_zh = "商户不存在"


class BinUnknown(NotFound):
    """No bin has this id."""

    code = "bin_unknown"
    title = "Bin not known"
    title_zh = "设备不存在"


class BinKeyUnknown(NotFound):
    """This bin has no key with this keyid."""

    code = "bin_key_unknown"
    title = "Bin's key not known"
    title_zh = "设备密钥不存在"


class SiteUnknown(NotFound):
    """No site has this id."""

    code = "site_unknown"
    title = "Site not known"
    title_zh = "投放点不存在"


class MachineUnknown(NotFound):
    """No machine has this id."""

    code = "machine_unknown"
    title = "Machine not known"
    title_zh = "设备不存在"


class MachineKeyUnknown(NotFound):
    """No machine has a key with this keyid."""

    code = "machine_key_unknown"
    title = "Machine's key not known"
    title_zh = "设备密钥不存在"


class ApiKeyUnknown(NotFound):
    """No API key has this id."""

    code = "api_key_unknown"
    title = "API key not known"
    title_zh = "API 密钥不存在"


class RedemptionUnknown(NotFound):
    """This merchant has no redemption with this id."""

    code = "redemption_unknown"
    title = "Redemption not known"
    title_zh = "兑换记录不存在"


class PayCodeUnknown(NotFound):
    """No such pay-code: it was mistyped, or the resident has a newer one. Ask the resident to show the code again."""

    code = "pay_code_unknown"
    title = "Pay-code not known"
    title_zh = "付款码不存在"


class OfferUnknown(NotFound):
    """This merchant has no offer with this id that is valid now."""

    code = "offer_unknown"
    title = "Offer not known"
    title_zh = "兑换商品不存在或不在有效期"


class ResidentUnknown(NotFound):
    """No resident has this id."""

    code = "resident_unknown"
    title = "Resident not known"
    title_zh = "居民不存在"


class TransferUnknown(NotFound):
    """This wallet has no transfer with this id."""

    code = "transfer_unknown"
    title = "Transfer not known"
    title_zh = "流水不存在"


class AdjustmentUnknown(NotFound):
    """No adjustment has this id."""

    code = "adjustment_unknown"
    title = "Adjustment not known"
    title_zh = "调账申请不存在"


class StationUnknown(NotFound):
    """No scrap station has this id."""

    code = "station_unknown"
    title = "Station not known"
    title_zh = "回收站不存在"


class ImportUnknown(NotFound):
    """No import has this id."""

    code = "import_unknown"
    title = "Import not known"
    title_zh = "导入记录不存在"


class PublicationUnknown(NotFound):
    """No publication has this id or number."""

    code = "publication_unknown"
    title = "Publication not known"
    title_zh = "发布记录不存在"


class ReviewUnknown(NotFound):
    """No held drop has this id."""

    code = "review_unknown"
    title = "Review not known"
    title_zh = "待审核投放不存在"


class HeldDropUnknown(NotFound):
    """No held drop of this resident has this id."""

    code = "held_drop_unknown"
    title = "Held drop not known"
    title_zh = "该居民没有此笔待审核投放"


class StatementUnknown(NotFound):
    """This merchant has no settlement statement with this number."""

    code = "statement_unknown"
    title = "Statement not known"
    title_zh = "结算单不存在"


class WebhookUnknown(NotFound):
    """This merchant has no webhook endpoint, or message, with this id."""

    code = "webhook_unknown"
    title = "Webhook not known"
    title_zh = "回调不存在"


class BodyTooSlow(TanbiError):
    """The body did not arrive in time. Send the request again, whole."""

    status = 408
    code = "body_too_slow"
    title = "Body too slow"
    title_zh = "请求体接收超时"


class MethodNotAllowed(TanbiError):
    """This path does not take that method; see the Allow header."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"
    title_zh = "不支持该请求方法"


class Conflict(TanbiError):
    """The state of things does not allow this."""

    status = 409
    code = "conflict"
    title = "Conflict"
    title_zh = "与当前状态冲突"


class AreaExists(Conflict):
    """An area has this id already."""

    code = "area_exists"
    title = "Area exists"
    title_zh = "区域已存在"


class SiteExists(Conflict):
    """A site has this id already."""

    code = "site_exists"
    title = "Site exists"
    title_zh = "投放点已存在"


class MaterialExists(Conflict):
    """A material has this id already."""

    code = "material_exists"
    title = "Material exists"
    title_zh = "品类已存在"


class FactorSetDiffers(Conflict):
    """A carbon factor set has this id already, with another content, and a set never changes. Give the other one an id
    of its own, such as with its edition or a number, and choose it from a day that is still to come."""

    code = "factor_set_differs"
    title = "Another factor set has this id"
    title_zh = "同一标识已有内容不同的因子集"


class CarbonChoiceTooEarly(Conflict):
    """A factor set takes effect with a business day that is still to come: what was avoided on a day that has begun is
    told already, and is not recalculated."""

    code = "carbon_choice_too_early"
    title = "Factor set chosen for a day that has begun"
    title_zh = "因子集的生效日期必须晚于今天"


class TariffInThePast(Conflict):
    """A tariff takes effect at least a minute from now: what was earned by the one in force is not recalculated."""

    code = "tariff_in_the_past"
    title = "Tariff would reach into the past"
    title_zh = "价格不能追溯生效"


class TariffExists(Conflict):
    """This material has a tariff from this moment on already, and tariffs are never changed. Choose a later moment."""

    code = "tariff_exists"
    title = "Tariff exists"
    title_zh = "该时刻已有价格"


class RuleInThePast(Conflict):
    """A rule of plausibility takes effect at least a minute from now: drops are judged by the rules of their own
    time."""

    code = "rule_in_the_past"
    title = "Rule would reach into the past"
    title_zh = "规则不能追溯生效"


class LimitInThePast(Conflict):
    """A limit takes effect at least a minute from now, a day's limit with the next business day: what was granted by
    the one in force stays."""

    code = "limit_in_the_past"
    title = "Limit would reach into the past"
    title_zh = "限额不能追溯生效"


class CoinLifeInThePast(Conflict):
    """A rule of coins' life takes effect at least a minute from now: coins that are earned keep the life they have."""

    code = "coin_life_in_the_past"
    title = "Rule would reach into the past"
    title_zh = "有效期规则不能追溯生效"


class CoinLifeExists(Conflict):
    """A rule of coins' life takes effect at this very moment already. Choose another one."""

    code = "coin_life_exists"
    title = "A rule begins there already"
    title_zh = "该时刻已有有效期规则"


class BinExists(Conflict):
    """A bin has this id already."""

    code = "bin_exists"
    title = "Bin exists"
    title_zh = "设备已存在"


class BinRetired(Conflict):
    """This bin is retired, and stays so. Register a bin with another id."""

    code = "bin_retired"
    title = "Bin is retired"
    title_zh = "设备已退役"


class BinNotClaimed(Conflict):
    """Nobody has claimed this bin yet, so there is nothing to suspend or resume. Make it a claim code, or retire it."""

    code = "bin_not_claimed"
    title = "Bin not claimed yet"
    title_zh = "设备尚未认领"


class BinStandsThere(Conflict):
    """The bin stands at this site already. Nothing was changed."""

    code = "bin_stands_there"
    title = "Bin stands there already"
    title_zh = "设备已在该投放点"


class BinTimeRefused(Conflict):
    """What is done to a bin is written down when it has been done, and in order: not as of a time that is still to
    come, and not from before what was written down last."""

    code = "bin_time_refused"
    title = "Time out of order"
    title_zh = "时间顺序错误"


class KeyTaken(Conflict):
    """This public key was used before, by this bin or another: keys do not come back. Make a new pair of keys, and none
    that comes with the firmware."""

    code = "key_taken"
    title = "Key was used before"
    title_zh = "密钥已被使用过"


class NewestKeyStays(Conflict):
    """A bin does not end the key it signs with: it would be locked out. Make a new key first."""

    code = "newest_key_stays"
    title = "The newest key stays"
    title_zh = "不能停用最新密钥"


class MerchantExists(Conflict):
    """A merchant has this id already."""

    code = "merchant_exists"
    title = "Merchant exists"
    title_zh = "商户已存在"


class MachineExists(Conflict):
    """A machine has this id already."""

    code = "machine_exists"
    title = "Machine exists"
    title_zh = "设备已存在"


class InsufficientCoins(Conflict):
    """The balance does not cover this redemption. Nothing was changed."""

    code = "insufficient_coins"
    title = "Not enough coins"
    title_zh = "碳币余额不足"

    def __init__(self, detail: str | None = None, *, available_coins: int | None = None) -> None:
        """`available_coins` is not told: whether the caller may know it is for whoever answers to say."""
        super().__init__(detail)
        self.available_coins = available_coins


class MonthNotOver(Conflict):
    """This month is not over yet, so it cannot be settled."""

    code = "month_not_over"
    title = "Month not over"
    title_zh = "当月尚未结束"


class RateInThePast(Conflict):
    """A rate was in force at that moment, and what was captured since is settled at it. A new one takes effect at least
    a minute from now."""

    code = "rate_in_the_past"
    title = "Rate would reach into the past"
    title_zh = "结算价不能追溯生效"


class RateExists(Conflict):
    """This merchant has a rate from this moment on already. Choose another moment."""

    code = "rate_exists"
    title = "Rate exists"
    title_zh = "该时间点的结算价已存在"


class HoldExpired(Conflict):
    """The hold of this redemption has expired, and its coins are the resident's again. Ask for a new pay-code."""

    code = "hold_expired"
    title = "Hold expired"
    title_zh = "预授权已过期"


class HoldVoided(Conflict):
    """This redemption was voided, and its coins are the resident's again. Ask for a new pay-code."""

    code = "hold_voided"
    title = "Hold voided"
    title_zh = "预授权已撤销"


class AlreadyCaptured(Conflict):
    """The coins of this redemption were taken already. To give some back, refund them."""

    code = "already_captured"
    title = "Already captured"
    title_zh = "已完成扣款"


class NotCaptured(Conflict):
    """The coins of this redemption were not taken, so there is nothing to refund."""

    code = "not_captured"
    title = "Not captured"
    title_zh = "尚未扣款"


class AboveHeld(Conflict):
    """More coins than this redemption holds. Capture at most what was authorised."""

    code = "above_held"
    title = "More than is held"
    title_zh = "超过预授权碳币"


class AboveCaptured(Conflict):
    """More coins than are left to refund of what was captured."""

    code = "above_captured"
    title = "More than was captured"
    title_zh = "超过可退碳币"


class OutOfStock(Conflict):
    """Nothing of this offer is left."""

    code = "out_of_stock"
    title = "Out of stock"
    title_zh = "已兑完"


class StockTooSmall(Conflict):
    """Not so many pieces are in stock. Take out at most what is left."""

    code = "stock_too_small"
    title = "Not so many in stock"
    title_zh = "库存不足以扣减"


class OfferExists(Conflict):
    """An offer in this city has this id already. Choose another id, such as one that begins with your merchant's."""

    code = "offer_exists"
    title = "Offer exists"
    title_zh = "兑换商品编号已被使用"


class OfferDayLimit(Conflict):
    """This resident has had as much of this offer today as one may have. `frees_at` says when the next day begins."""

    code = "offer_day_limit"
    title = "Offer's daily limit reached"
    title_zh = "已达该商品每日兑换上限"


class RedemptionLimit(Conflict):
    """More coins than one redemption may take here. Ask for at most `limit_coins`."""

    code = "redemption_limit"
    title = "More than one redemption may take"
    title_zh = "超过单笔兑换上限"


class ResidentDayLimit(Conflict):
    """The resident would spend more than one may on a day. `frees_at` says when the next day begins."""

    code = "resident_day_limit"
    title = "Resident's daily limit reached"
    title_zh = "已达居民每日兑换上限"


class MerchantDayLimit(Conflict):
    """The merchant would take more than it may on a day. `frees_at` says when the next day begins."""

    code = "merchant_day_limit"
    title = "Merchant's daily limit reached"
    title_zh = "已达商户每日兑换上限"


class PayCodeExpired(Conflict):
    """This pay-code has expired. Ask the resident to show a new one."""

    code = "pay_code_expired"
    title = "Pay-code expired"
    title_zh = "付款码已过期"


class PayCodeUsed(Conflict):
    """This pay-code was used already. Ask the resident to show a new one."""

    code = "pay_code_used"
    title = "Pay-code used"
    title_zh = "付款码已使用"


class CardTaken(Conflict):
    """This card is bound to another resident. If it is yours, ask the scheme's operator."""

    code = "card_taken"
    title = "Card is bound to someone else"
    title_zh = "该卡已被他人绑定"


class CardLimitReached(Conflict):
    """This resident has as many cards as one may have."""

    code = "card_limit_reached"
    title = "No more cards"
    title_zh = "绑卡数量已达上限"


class WebhookLimitReached(Conflict):
    """This merchant has as many webhook endpoints as one may have. Disable one that is not needed any more."""

    code = "webhook_limit_reached"
    title = "No more webhook endpoints"
    title_zh = "回调地址数量已达上限"


class IdempotencyKeyInUse(Conflict):
    """A request with this Idempotency-Key is still running. Wait a moment and send it again."""

    code = "idempotency_key_in_use"
    title = "Same key still running"
    title_zh = "相同幂等键的请求正在处理"


class AdjustmentDecided(Conflict):
    """This adjustment was approved or rejected already, and stays so. For another correction, request a new one."""

    code = "adjustment_decided"
    title = "Already decided"
    title_zh = "该调账申请已处理"


class ReviewDecided(Conflict):
    """This drop was released or rejected already. After a rejection it can be decided again where its resident
    appeals."""

    code = "review_decided"
    title = "Already decided"
    title_zh = "该投放已审核"


class AlreadyAppealed(Conflict):
    """This drop was appealed already; that can be done once."""

    code = "already_appealed"
    title = "Already appealed"
    title_zh = "该投放已申诉过"


class NothingToAppeal(Conflict):
    """This drop was released: there is nothing to appeal against."""

    code = "nothing_to_appeal"
    title = "Nothing to appeal against"
    title_zh = "该投放已放行，无需申诉"


class RequesterRevoked(Conflict):
    """The key that asked for this was revoked since. Reject it; whoever still wants it asks for it anew."""

    code = "requester_revoked"
    title = "Requester's key revoked"
    title_zh = "申请人的密钥已吊销"


class CorrectionExceeds(Conflict):
    """With earlier corrections this one would take back more than the transfer moved. Nothing was changed."""

    code = "correction_exceeds"
    title = "More than was moved"
    title_zh = "更正超过原流水数额"


class InputOverlaps(Conflict):
    """An input of this kind and source counts some of the same mass; correct that one, or withdraw it first."""

    code = "input_overlaps"
    title = "Counted twice"
    title_zh = "同一重量重复录入"


class StationExists(Conflict):
    """There is a scrap station with this id already."""

    code = "station_exists"
    title = "Station is there"
    title_zh = "回收站已存在"


class MonthNotDue(Conflict):
    """The scrap station does not report this month: it is not over yet, or not one of the station's months."""

    code = "month_not_due"
    title = "Not a month to report"
    title_zh = "该月份无需或尚不能填报"


class RateNotKnown(Conflict):
    """There is no rate to publish: something is missing, or the inputs contradict each other."""

    code = "rate_not_known"
    title = "No rate to publish"
    title_zh = "没有可发布的数值"


class PeriodNotOver(Conflict):
    """A figure is published of a period that is over."""

    code = "period_not_over"
    title = "Period not over"
    title_zh = "统计期间尚未结束"


class AlreadyPublished(Conflict):
    """This figure is published; a later one restates it, with its number and the reason."""

    code = "already_published"
    title = "Already published"
    title_zh = "该数值已发布"


class RestatementRefused(Conflict):
    """What is restated is the latest publication of the same area, period and formula, and the figure differs from
    it."""

    code = "restatement_refused"
    title = "Cannot be restated"
    title_zh = "不能更正该发布"


class PublicationDecided(Conflict):
    """This proposal was published or rejected already, and stays so. For another figure, propose a new one."""

    code = "publication_decided"
    title = "Already decided"
    title_zh = "该发布申请已处理"


class ProposalOutdated(Conflict):
    """What this figure was made of has changed since it was proposed. Reject it, and propose the figure anew."""

    code = "proposal_outdated"
    title = "Proposal outdated"
    title_zh = "提出后数据已变更"


class NothingToWithdraw(Conflict):
    """No input is recorded for this area, period, kind, source and material."""

    code = "nothing_to_withdraw"
    title = "Nothing to withdraw"
    title_zh = "没有可撤回的录入"


class BodyTooLarge(TanbiError):
    """The body is larger than this service takes. Split it."""

    status = 413
    code = "body_too_large"
    title = "Body too large"
    title_zh = "请求体过大"


class UnsupportedMediaType(TanbiError):
    """Send one of the content types that the API's document names for this path."""

    status = 415
    code = "unsupported_media_type"
    title = "Content type not supported"
    title_zh = "不支持的内容类型"


class ValidationFailed(TanbiError):
    """Some fields are not as the API's document says; `errors` points at each."""

    status = 422
    code = "validation_failed"
    title = "Fields are not valid"
    title_zh = "字段校验失败"


class KeyInvalid(ValidationFailed):
    """What was sent as a public key is none. Send the 32 bytes of an Ed25519 public key in base64, 44 characters."""

    code = "key_invalid"
    title = "Not a key"
    title_zh = "密钥无效"


class KeyProofWrong(ValidationFailed):
    """`proof` was not made with the new key for this bin. Sign `tanbi-key:<bin id>:<public key>` with the new key, the
    public key in base64 as it is sent, and send the 64 bytes in base64."""

    code = "key_proof_wrong"
    title = "New key not proven"
    title_zh = "新密钥所有权证明无效"


class ImportRefused(ValidationFailed):
    """The file has errors, and nothing of it was recorded; `errors` says each with its row and column. Correct them and
    send it again."""

    code = "import_refused"
    title = "File not imported"
    title_zh = "文件未导入"


class IdempotencyKeyReused(TanbiError):
    """This Idempotency-Key was used for a different request. Use a new key for a new intent."""

    status = 422
    code = "idempotency_key_reused"
    title = "Key was used for another request"
    title_zh = "幂等键已用于其他请求"


# -- 503 ------------------------------------------------------------------------------------------------------------


class Unavailable(TanbiError):
    """The service cannot take this now; nothing was acknowledged. Send the same bytes again later."""

    status = 503
    code = "unavailable"
    title = "Temporarily unavailable"
    title_zh = "服务暂时不可用"

    def __init__(self, detail: str | None = None, *, retry_after_seconds: int = 1) -> None:
        super().__init__(detail, headers={"Retry-After": str(retry_after_seconds)})


class KeyUnreadable(Unavailable):
    """This device's key cannot be read by the service's present secret key. Keep the data; the operator has to act."""

    code = "key_unreadable"
    title = "Signing key cannot be read"
    title_zh = "签名密钥无法读取"


class QueueFull(Unavailable):
    """More events are waiting than this service holds. Send the same bytes again after Retry-After seconds."""

    code = "queue_full"
    title = "Queue is full"
    title_zh = "队列已满"


class ImportsBusy(Unavailable):
    """Other sheets are being imported, and as many wait as this process holds. Nothing was recorded: send the file
    again after Retry-After seconds."""

    code = "imports_busy"
    title = "Other imports are under way"
    title_zh = "其他导入正在进行"


class Draining(Unavailable):
    """This process is shutting down. Send the same bytes again; another one will take them."""

    code = "draining"
    title = "Shutting down"
    title_zh = "服务正在关闭"


class DatabaseUnavailable(Unavailable):
    """The database does not answer. Whether the request took effect is not known: send the same bytes again."""

    code = "database_unavailable"
    title = "Database unavailable"
    title_zh = "数据库不可用"


class HoldsDue(Unavailable):
    """Holds of the wallet that an adjustment is for are over and are not written down yet. Approve it again."""

    code = "holds_due"
    title = "Holds are being released"
    title_zh = "冻结碳币正在释放"

    def __init__(self, owner_id: int) -> None:
        """`owner_id` is whose wallet it is; it is not told."""
        super().__init__()
        self.owner_id = owner_id


class WechatUnavailable(Unavailable):
    """WeChat does not answer. Try to log in again in a moment."""

    code = "wechat_unavailable"
    title = "WeChat unavailable"
    title_zh = "微信服务不可用"


class ClaimsRateLimited(Unavailable):
    """Too many wrong claim codes have come from this address. Wait as long as Retry-After says."""

    status = 429
    code = "claims_rate_limited"
    title = "Too many wrong claim codes"
    title_zh = "认领码错误次数过多"


class KeysRateLimited(Unavailable):
    """The bin has made too many keys within an hour. Keep the present one, and wait as long as Retry-After says."""

    status = 429
    code = "keys_rate_limited"
    title = "Too many new keys"
    title_zh = "更换密钥过于频繁"


class WechatRateLimited(Unavailable):
    """This user logs in too often for WeChat. Wait a minute and try again."""

    status = 429
    code = "wechat_rate_limited"
    title = "Too many log-ins"
    title_zh = "登录过于频繁"
