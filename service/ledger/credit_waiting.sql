-- Credit the unclaimed events that waited for credentials which are bound by now, and post one transfer for each.
--   :credential_digest   of one credential, or null for all that were bound since :bound_since
--   :waiting_since       events that occurred before stay unclaimed
--   :demo                whether credentials made by the demo count
-- An event is credited once: its row is locked and its outcome changed in the same statement.
WITH waiting AS (
    SELECT weigh_event.bin_id, weigh_event.event_id, credential.resident_id
    FROM weigh_event
    JOIN credential ON credential.digest = weigh_event.credential_digest AND (NOT credential.demo OR :demo)
    WHERE weigh_event.outcome = 'unclaimed'
      AND weigh_event.credential_digest IS NOT NULL
      AND weigh_event.occurred_at >= :waiting_since
      AND (credential.digest = CAST(:credential_digest AS bytea)
           OR (CAST(:credential_digest AS bytea) IS NULL AND credential.bound_at >= :bound_since))
    ORDER BY weigh_event.bin_id, weigh_event.event_id
    FOR NO KEY UPDATE OF weigh_event
), claimed AS (
    UPDATE weigh_event
    SET outcome = 'credited', resident_id = waiting.resident_id, claimed_xid = pg_current_xact_id()::text::bigint
    FROM waiting
    WHERE weigh_event.bin_id = waiting.bin_id
      AND weigh_event.event_id = waiting.event_id
      AND weigh_event.outcome = 'unclaimed'
    RETURNING weigh_event.bin_id, weigh_event.event_id, weigh_event.resident_id, weigh_event.coins
), credit AS (
    SELECT resident_id AS owner_id, sum(coins)::bigint AS coins
    FROM claimed
    GROUP BY resident_id
), locked AS (
    SELECT wallet.owner_id, credit.coins
    FROM wallet
    JOIN credit ON credit.owner_id = wallet.owner_id
    ORDER BY wallet.owner_id
    FOR NO KEY UPDATE OF wallet
), credited AS (
    UPDATE wallet
    SET posted = wallet.posted + locked.coins
    FROM locked
    WHERE wallet.owner_id = locked.owner_id
), posted AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)
    SELECT resident_id, 'credit', 1, resident_id, coins, bin_id, event_id
    FROM claimed
    WHERE coins > 0
)
SELECT count(*) AS events, coalesce(sum(coins), 0)::bigint AS coins FROM claimed
