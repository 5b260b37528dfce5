-- Credit the unclaimed events that waited for these credentials, which are bound by now, and post one transfer for each.
--   :credential_digests  whose events
--   :waiting_max         how long before the binding an event may have occurred; one that is older stays unclaimed
--   :zone                where business days begin
--   :demo                whether credentials made by the demo count
-- Gives how many events were credited. At most 1000, so that a card which a thousand people used cannot make a
-- statement that never ends: whoever gets 1000 asks again.
-- What was held and an operator has released earns what they decided, as of the time that they decided.
-- An event is credited once: its row is locked, looked at again, and its outcome changed in the same statement. Locks
-- are taken on events first and wallets second, each sorted, as by credit_weigh_events.sql: so neither statement can
-- deadlock with itself or with the other.
WITH waiting AS (
    SELECT weigh_event.bin_id, weigh_event.event_id, credential.resident_id,
           coalesce(release.coins, weigh_event.coins) AS coins,
           date(timezone(:zone, coalesce(release.placed_at, weigh_event.occurred_at))) AS day
    FROM credential
    JOIN weigh_event ON weigh_event.credential_digest = credential.digest
    LEFT JOIN review_decision AS release
      ON release.bin_id = weigh_event.bin_id AND release.event_id = weigh_event.event_id
     AND release.decision = 'released'
    WHERE credential.digest = ANY (:credential_digests)
      AND (NOT credential.demo OR :demo)
      AND weigh_event.outcome = 'unclaimed'
      AND weigh_event.credential_digest IS NOT NULL
      AND coalesce(release.placed_at, weigh_event.occurred_at) >= credential.bound_at - :waiting_max
    ORDER BY weigh_event.bin_id, weigh_event.event_id
    -- A literal: of a parameter the planner would not know that it is small, and might read the whole table below.
    LIMIT 1000
    FOR NO KEY UPDATE OF weigh_event
), claimed AS (
    UPDATE weigh_event
    SET outcome = 'credited', resident_id = waiting.resident_id, claimed_xid = pg_current_xact_id()::text::bigint
    FROM waiting
    WHERE weigh_event.bin_id = waiting.bin_id
      AND weigh_event.event_id = waiting.event_id
      AND weigh_event.outcome = 'unclaimed'
    RETURNING weigh_event.bin_id, weigh_event.event_id, weigh_event.resident_id, weigh_event.weight_grams,
              waiting.coins, waiting.day
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
), counted AS (
    -- Under the locks of the wallets, as wherever a day is raised.
    INSERT INTO resident_day (owner_id, day, drops, grams, coins)
    SELECT locked.owner_id, claimed.day, count(*), sum(claimed.weight_grams), sum(claimed.coins)
    FROM locked
    JOIN claimed ON claimed.resident_id = locked.owner_id
    GROUP BY 1, 2
    ON CONFLICT (owner_id, day)
    DO UPDATE SET drops = resident_day.drops + excluded.drops, grams = resident_day.grams + excluded.grams,
                  coins = resident_day.coins + excluded.coins
), posted AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)
    SELECT resident_id, 'credit', 1, resident_id, coins, bin_id, event_id
    FROM claimed
    WHERE coins > 0
)
SELECT count(*) FROM claimed
