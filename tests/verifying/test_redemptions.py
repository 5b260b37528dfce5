"""Redemptions, with the transfers, answers and pay-codes that belong to them."""

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from service.settings import Settings
from tests.verifying.city import City
from tests.verifying.damage import Damage, as_superuser, assert_noticed, breaches

TRANSFERS = "redemptions_match_transfers"
ANSWERS = "redemptions_match_answers"
OFFERS = "redemptions_are_of_their_merchants_offer"
PAY_CODES = "used_pay_codes_paid"

WALLETS = frozenset({"wallets_equal_their_transfers", "coin_volumes_equal_transfers"})
OWNER = {"owner_id": "{city.resident_id}"}

DAMAGES = {
    "an offer of another merchant": Damage(
        OFFERS,
        ("UPDATE offer SET merchant_id = 'NK-M-02'",),
        {"owner_id": "{city.patron_id}", "merchant_id": "NK-M-03", "offered_by": "NK-M-02"},
    ),
    "an offer that is gone": Damage(
        OFFERS,
        ("DELETE FROM offer",),
        {"owner_id": "{city.patron_id}", "offer_id": "water-5l", "offered_by": None},
    ),
    "a redemption whose transfer is gone": Damage(
        TRANSFERS,
        ("DELETE FROM transfer WHERE kind = 'redemption' AND coins = 20",),
        {**OWNER, "transfer_id": None, "problem": "no transfer"},
        WALLETS,
    ),
    "a transfer whose redemption is gone": Damage(
        TRANSFERS,
        ("DELETE FROM redemption WHERE coins = 50",),
        {**OWNER, "problem": "no redemption"},
        frozenset({ANSWERS}),
    ),
    "a redemption that was paid twice": Damage(
        TRANSFERS,
        (
            "DROP INDEX uq_transfer_redemption",
            "INSERT INTO transfer"
            " (owner_id, kind, debit_account_id, credit_account_id, coins, redemption_id, created_at)"
            " SELECT owner_id, kind, debit_account_id, credit_account_id, coins, redemption_id, created_at"
            " FROM transfer WHERE kind = 'redemption' AND coins = 20",
            "UPDATE wallet SET posted = posted - 20 WHERE owner_id = {city.resident_id}",
        ),
        {**OWNER, "problem": "two transfers"},
        frozenset({"constraints_are_in_place"}),
    ),
    "a redemption of other coins": Damage(
        TRANSFERS,
        ("UPDATE redemption SET coins = 21 WHERE coins = 20",),
        {**OWNER, "problem": "other coins"},
    ),
    "a redemption that another merchant was paid for": Damage(
        TRANSFERS,
        ("UPDATE transfer SET credit_account_id = {city.shop_account_id} WHERE kind = 'redemption' AND coins = 50",),
        {**OWNER, "problem": "another merchant"},
        frozenset({"coin_volumes_equal_transfers"}),
    ),
    "a redemption at another merchant's machine": Damage(
        TRANSFERS,
        (
            "UPDATE redemption SET merchant_id = 'NK-M-02' WHERE coins = 20",
            "UPDATE transfer SET credit_account_id = {city.other_shop_account_id}"
            " WHERE kind = 'redemption' AND coins = 20",
        ),
        {**OWNER, "problem": "another merchant's machine"},
        frozenset({"coin_volumes_equal_transfers"}),
    ),
    "a redemption at a merchant that is not there": Damage(
        TRANSFERS,
        ("UPDATE redemption SET merchant_id = 'nobody' WHERE coins = 50",),
        {**OWNER, "problem": "another merchant"},
    ),
    "a redemption that was never answered": Damage(
        ANSWERS,
        ("DELETE FROM idempotency_key WHERE answer LIKE '%\"coins\":50,%'",),
        {**OWNER, "actor": None, "problem": "no answer"},
    ),
    "an answer that names no redemption": Damage(
        ANSWERS,
        (
            "INSERT INTO idempotency_key (actor, key, request_digest, status, answer) VALUES"
            " ('merchant:NK-M-01', 'k', '', 201,"
            ' \'{{"id":"00000000-0000-0000-0000-000000000000","state":"captured","coins":5}}\')',
        ),
        {"redemption_id": None, "actor": "merchant:NK-M-01", "problem": "no redemption"},
    ),
    "a redemption that was answered twice": Damage(
        ANSWERS,
        (
            "INSERT INTO idempotency_key (actor, key, request_digest, status, answer)"
            " SELECT actor, 'another', request_digest, status, answer FROM idempotency_key"
            " WHERE actor = 'machine:NK-W-01' AND answer LIKE '%\"coins\":20,%'",
        ),
        {**OWNER, "actor": "machine:NK-W-01", "problem": "two answers"},
    ),
    "an answer to another merchant": Damage(
        ANSWERS,
        ("UPDATE idempotency_key SET actor = 'merchant:NK-M-02' WHERE actor = 'merchant:NK-M-01'",),
        {**OWNER, "actor": "merchant:NK-M-02", "problem": "another actor"},
    ),
    "a pay-code that paid for nothing": Damage(
        PAY_CODES,
        ("UPDATE pay_code SET used_at = created_at WHERE used_at IS NULL",),
        {**OWNER, "problem": "no redemption"},
    ),
    "a pay-code that was used before there was one": Damage(
        PAY_CODES,
        ("UPDATE pay_code SET created_at = used_at + interval '1 second' WHERE used_at IS NOT NULL",),
        {**OWNER, "problem": "not good then"},
    ),
    "a pay-code that was used too late": Damage(
        PAY_CODES,
        ("UPDATE pay_code SET expires_at = used_at - interval '1 second' WHERE used_at IS NOT NULL",),
        {**OWNER, "problem": "not good then"},
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
async def test_damage_is_noticed_and_the_redemption_named(damage: Damage, city: City, superuser: AsyncEngine) -> None:
    await assert_noticed(damage, city, superuser)


async def test_an_answer_to_an_operator_names_other_things(
    city: City, engine: AsyncEngine, admin_engine: AsyncEngine, settings: Settings
) -> None:
    statement = (
        "INSERT INTO idempotency_key (actor, key, request_digest, status, answer)"
        " VALUES ('key:00000000-0000-0000-0000-000000000000', 'k', '', 201, '{\"id\":7}')"
    )
    await as_superuser(admin_engine, statement)
    assert await breaches(engine, settings) == {}
