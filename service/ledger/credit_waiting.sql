-- Credit events that waited, and post one transfer for each. The caller's transaction has their rows and the wallets
-- locked, and has looked at them since. Arrays, one element an event:
--   :bin_ids, :event_ids, :owner_ids, :coins, :days
WITH waiting AS (
    SELECT *
    FROM unnest(:bin_ids, :event_ids, :owner_ids, :coins, :days) AS waiting (bin_id, event_id, owner_id, coins, day)
), claimed AS (
    UPDATE weigh_event
    SET outcome = 'credited', resident_id = waiting.owner_id, claimed_xid = pg_current_xact_id()::text::bigint
    FROM waiting
    WHERE weigh_event.bin_id = waiting.bin_id AND weigh_event.event_id = waiting.event_id
    RETURNING waiting.*, weigh_event.weight_grams
), credited AS (
    UPDATE wallet
    SET posted = wallet.posted + credit.coins
    FROM (SELECT owner_id, sum(coins)::bigint AS coins FROM claimed GROUP BY owner_id) AS credit
    WHERE wallet.owner_id = credit.owner_id
), counted AS (
    INSERT INTO resident_day (owner_id, day, drops, grams, coins)
    SELECT owner_id, day, count(*), sum(weight_grams), sum(coins)
    FROM claimed
    GROUP BY 1, 2
    ON CONFLICT (owner_id, day)
    DO UPDATE SET drops = resident_day.drops + excluded.drops, grams = resident_day.grams + excluded.grams,
                  coins = resident_day.coins + excluded.coins
)
INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)
SELECT owner_id, 'credit', 1, owner_id, coins, bin_id, event_id
FROM claimed
WHERE coins > 0
