"""Invariant 3: coins that expired were due, and were what was left of what came in.

service/ledger/lots.py counts back from the coins that a wallet has; here all of its transfers are summed up from the
first. Both are the same by docs/decisions/0007.
"""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        3,
        "expiry_position_is_sound",
        "There is one place up to which coins are looked through for what has expired, in a pass that has begun.",
        """
        SELECT 'expiry_position' AS place, pass_began_at
        FROM (SELECT max(pass_began_at) AS pass_began_at FROM expiry_position) AS position
        WHERE pass_began_at IS NULL OR pass_began_at > clock_timestamp()
        """,
    ),
    Check(
        3,
        "expiries_name_their_lot",
        "Coins expire to the issuer, once, of coins that came into the same wallet before, and no more than those.",
        """
        SELECT expiry.owner_id, expiry.id AS transfer_id, expiry.reverses_id, expiry.coins, lot.coins AS lot_coins
        FROM transfer AS expiry
        LEFT JOIN transfer AS lot ON lot.owner_id = expiry.owner_id AND lot.id = expiry.reverses_id
        WHERE expiry.kind = 'expiry'
          AND (lot.id IS NULL OR lot.credit_account_id <> expiry.owner_id OR lot.coins < expiry.coins
               OR lot.id >= expiry.id OR expiry.debit_account_id <> expiry.owner_id)
        """,
    ),
    Check(
        3,
        "expiries_were_due",
        "No coins expired before the end of the business day until which the rule in force when they came in lets them"
        " live.",
        # A month is added to a day as the rules say: the last of a month that is too short.
        """
        SELECT owner_id, transfer_id, lot_id, earned_at, expired_at, months, due_at
        FROM (
            SELECT expiry.owner_id, expiry.id AS transfer_id, lot.id AS lot_id, lot.created_at AS earned_at,
                   expiry.created_at AS expired_at, rule.months,
                   ((lot.created_at AT TIME ZONE :timezone)::date + make_interval(months => rule.months)
                    + interval '1 day') AT TIME ZONE :timezone AS due_at
            FROM transfer AS expiry
            JOIN transfer AS lot ON lot.owner_id = expiry.owner_id AND lot.id = expiry.reverses_id
            LEFT JOIN (
                SELECT months::integer, effective_from,
                       lead(effective_from, 1, 'infinity') OVER (ORDER BY effective_from) AS effective_until
                FROM coin_life
            ) AS rule ON lot.created_at >= rule.effective_from AND lot.created_at < rule.effective_until
            WHERE expiry.kind = 'expiry'
        ) AS expired
        WHERE due_at IS NULL OR expired_at < due_at
        """,
    ),
    Check(
        3,
        "expiries_took_what_was_left",
        "Each expiry took what was left of its lot, first in, first out: what was posted less what was left of newer"
        " lots, and no more than had come in.",
        # Lots expire in their order but where a rule made lives shorter: only then is there a newer one to look for.
        """
        WITH moved AS (
            SELECT owner_id, id, kind, coins, reverses_id,
                   coalesce(sum(CASE owner_id WHEN credit_account_id THEN coins ELSE -coins END) OVER before, 0)
                     AS posted_before,
                   coalesce(sum(coins) FILTER (WHERE credit_account_id = owner_id) OVER before, 0) AS came_in_before,
                   max(reverses_id) FILTER (WHERE kind = 'expiry') OVER before AS newest_expired_before
            FROM transfer
            WHERE owner_id IN (SELECT owner_id FROM transfer WHERE kind = 'expiry')
            WINDOW before AS (PARTITION BY owner_id ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ), expired AS (
            SELECT expiry.owner_id, expiry.id AS transfer_id, lot.id AS lot_id, expiry.coins,
                   expiry.posted_before, lot.coins AS lot_coins,
                   expiry.came_in_before - lot.came_in_before - lot.coins
                   - CASE WHEN expiry.newest_expired_before > lot.id THEN (
                         SELECT coalesce(sum(newer.coins), 0)
                         FROM transfer AS newer
                         WHERE newer.owner_id = expiry.owner_id AND newer.kind = 'expiry'
                           AND newer.reverses_id > lot.id AND newer.id < expiry.id
                     ) ELSE 0 END AS newer_coins
            FROM moved AS expiry
            JOIN moved AS lot ON lot.owner_id = expiry.owner_id AND lot.id = expiry.reverses_id
            WHERE expiry.kind = 'expiry'
        )
        SELECT owner_id, transfer_id, lot_id, coins, least(lot_coins, posted_before - newer_coins) AS coins_left
        FROM expired
        WHERE coins <> least(lot_coins, posted_before - newer_coins)
        """,
    ),
)
