-- Credit a held event that an operator has released: to whoever its credential belongs to by now, or to nobody yet, and
-- then it waits for its card like any other.
--   :bin_id, :event_id   which event; it is not credited yet, and its review is locked
--   :placed_at           when it counts as weighed, and :day the business day of that
--   :coins_per_kg        the tariff of that time
--   :demo                whether credentials made by the demo count
-- Gives its resident, null where that is nobody, and the coins. Locks are taken as by lock_waiting.sql: the event's
-- row, then the wallet; what a day adds up to is written under the wallet's lock.
WITH released AS (
    UPDATE weigh_event
    SET outcome = CASE WHEN owner.resident_id IS NULL THEN 'unclaimed' ELSE 'credited' END,
        resident_id = owner.resident_id,
        claimed_xid = CASE WHEN owner.resident_id IS NOT NULL THEN pg_current_xact_id()::text::bigint END
    FROM (
        SELECT max(credential.resident_id) AS resident_id
        FROM weigh_event AS shown
        JOIN credential
          ON credential.digest = shown.credential_digest
         AND credential.counts_from <= :placed_at
         AND (NOT credential.demo OR :demo)
        WHERE shown.bin_id = :bin_id AND shown.event_id = :event_id
    ) AS owner
    WHERE weigh_event.bin_id = :bin_id AND weigh_event.event_id = :event_id
    RETURNING weigh_event.bin_id, weigh_event.event_id, weigh_event.resident_id, weigh_event.weight_grams,
              weigh_event.weight_grams::bigint * :coins_per_kg / 1000 AS coins
), locked AS (
    SELECT wallet.owner_id, released.*
    FROM wallet
    JOIN released ON released.resident_id = wallet.owner_id
    FOR NO KEY UPDATE OF wallet
), credited AS (
    UPDATE wallet
    SET posted = wallet.posted + locked.coins
    FROM locked
    WHERE wallet.owner_id = locked.owner_id
), counted AS (
    INSERT INTO resident_day (owner_id, day, drops, grams, coins)
    SELECT owner_id, :day, 1, weight_grams, coins
    FROM locked
    ON CONFLICT (owner_id, day)
    DO UPDATE SET drops = resident_day.drops + excluded.drops, grams = resident_day.grams + excluded.grams,
                  coins = resident_day.coins + excluded.coins
), posted AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)
    SELECT owner_id, 'credit', 1, owner_id, coins, bin_id, event_id
    FROM locked
    WHERE coins > 0
)
SELECT resident_id, coins FROM released
