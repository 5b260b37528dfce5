-- What "one transaction an event" runs in loadtest/baselines.py: claim by insertion, credit the wallet, post the transfer, and
-- nothing else. No rules, no memory of bins and days: the service does more for each event than this.
-- Arrays, one element an event:
--   $1 bin_id  $2 event_id  $3 content_digest  $4 sequence  $5 material_id  $6 weight_grams  $7 box_weight_grams
--   $8 credential_digest  $9 occurred_at, Unix seconds  $10 coins_per_kg  $11 coins
--   $12 whether credentials made by the demo count
WITH event AS (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::bytea[], $4::bigint[], $5::text[], $6::int[], $7::int[], $8::bytea[],
                $9::float8[], $10::int[], $11::bigint[])
      AS event (bin_id, event_id, content_digest, sequence, material_id, weight_grams, box_weight_grams,
                credential_digest, occurred_at, coins_per_kg, coins)
), claimed AS (
    INSERT INTO weigh_event (bin_id, event_id, content_digest, site_id, sequence, material_id, weight_grams,
                             box_weight_grams, credential_digest, resident_id, outcome, verdict, code,
                             coins_per_kg, coins, occurred_at, received_at)
    SELECT event.bin_id, event.event_id, event.content_digest, bin.site_id, event.sequence, event.material_id,
           event.weight_grams, event.box_weight_grams, event.credential_digest,
           CASE WHEN event.coins_per_kg IS NOT NULL THEN credential.resident_id END,
           CASE WHEN event.coins_per_kg IS NULL THEN 'held'
                WHEN credential.resident_id IS NULL THEN 'unclaimed'
                ELSE 'credited' END,
           CASE WHEN event.coins_per_kg IS NULL THEN 'hold' ELSE 'credit' END,
           CASE WHEN event.coins_per_kg IS NULL THEN 'no_tariff' END,
           event.coins_per_kg, event.coins, to_timestamp(event.occurred_at), now()
    FROM event
    JOIN bin ON bin.id = event.bin_id AND bin.state = 'active'
    LEFT JOIN credential
      ON credential.digest = event.credential_digest
     AND to_timestamp(event.occurred_at) >= credential.counts_from
     AND (NOT credential.demo OR $12)
    -- Sorted, so that two batches with the same events wait for each other instead of deadlocking.
    ORDER BY event.bin_id, event.event_id
    ON CONFLICT (bin_id, event_id) DO NOTHING
    RETURNING bin_id, event_id, resident_id, coins
), credit AS (
    SELECT resident_id AS owner_id, sum(coins)::bigint AS coins
    FROM claimed
    WHERE resident_id IS NOT NULL
    GROUP BY resident_id
), locked AS (
    -- Sorted for the same reason; wallets are the only rows of the ledger that are ever locked.
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
    RETURNING wallet.owner_id, wallet.posted - wallet.held AS balance, wallet.held
), posted AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)
    SELECT resident_id, 'credit', 1, resident_id, coins, bin_id, event_id
    FROM claimed
    WHERE resident_id IS NOT NULL AND coins > 0
)
SELECT bin_id, event_id, resident_id, NULL::bigint AS balance, NULL::bigint AS held
FROM claimed
UNION ALL
-- Not joined: the planner cannot know how many events a batch has, and would compare each with each.
SELECT NULL, NULL, owner_id, balance, held
FROM credited
