-- Store weigh events as they were decided, credit the wallets, post one transfer for each credit, and write down what is
-- remembered of their bins and days; all of it, or nothing where one of these bins or wallets has been written since it
-- was read. Whoever stores an event of a bin writes its memory, and whoever changes a day writes its wallet, so as long as
-- these are of the version that was read, no (bin, id) is stored yet and nothing that was decided on has changed.
-- Bins are locked first and wallets second, each in order, as everywhere (weighing/queries.py).
-- Arrays, one element an event:
--   $1 bin_id  $2 event_id  $3 content_digest  $4 site_id  $5 epoch  $6 sequence  $7 material_id  $8 weight_grams
--   $9 box_weight_grams  $10 credential_digest  $11 resident_id, where it is credited  $12 verdict  $13 code  $14 outcome
--   $15 clock_skew_seconds  $16 coins_per_kg  $17 coins  $18 occurred_at, Unix seconds
-- one a wallet:   $19 owner_id  $20 coins, all that is credited to it
-- one a day:      $21 owner_id  $22 day  $23 drops  $24 grams  $25 coins, as they are now
-- one a bin:      $26 bin_id  $27 epoch  $28 sequence  $29 sequence_at, Unix seconds  $30 gaps_open  $31 boxes  $32 hours
--   $33 counts
-- the versions that were read: $34 of each wallet, $35 of each bin
-- Gives one row with `fresh`: whether it was all written; and then one for each credited wallet with what it can spend
-- after it all.
WITH locked_bin AS MATERIALIZED (
    SELECT bin_id, xmin::text::bigint AS version
    FROM bin_memory
    WHERE bin_id = ANY ($26)
    ORDER BY bin_id
    FOR NO KEY UPDATE
), locked_wallet AS MATERIALIZED (
    SELECT owner_id, xmin::text::bigint AS version
    FROM wallet
    WHERE owner_id = ANY ($19) AND (SELECT count(*) FROM locked_bin) >= 0
    ORDER BY owner_id
    FOR NO KEY UPDATE
), checked AS MATERIALIZED (
    SELECT (SELECT count(*) FROM unnest($19::bigint[], $34::bigint[]) AS known (owner_id, version)
            JOIN locked_wallet USING (owner_id, version)) = cardinality($19)
       AND (SELECT count(*) FROM unnest($26::text[], $35::bigint[]) AS known (bin_id, version)
            JOIN locked_bin USING (bin_id, version)) = cardinality($26) AS fresh
), event AS (
    SELECT *
    FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::int[],
                $9::int[], $10::bytea[], $11::bigint[], $12::text[], $13::text[], $14::text[], $15::int[], $16::int[],
                $17::bigint[], $18::float8[])
      AS event (bin_id, event_id, content_digest, site_id, epoch, sequence, material_id, weight_grams,
                box_weight_grams, credential_digest, resident_id, verdict, code, outcome, clock_skew_seconds,
                coins_per_kg, coins, occurred_at)
    WHERE (SELECT fresh FROM checked)
), stored AS (
    INSERT INTO weigh_event (bin_id, event_id, content_digest, site_id, epoch, sequence, material_id, weight_grams,
                             box_weight_grams, credential_digest, resident_id, verdict, code, outcome,
                             clock_skew_seconds, coins_per_kg, coins, occurred_at, received_at)
    SELECT bin_id, event_id, content_digest, site_id, epoch, sequence, material_id, weight_grams, box_weight_grams,
           credential_digest, resident_id, verdict, code, outcome, clock_skew_seconds, coins_per_kg, coins,
           to_timestamp(occurred_at), now()
    FROM event
), posted AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, bin_id, event_id)
    SELECT resident_id, 'credit', 1, resident_id, coins, bin_id, event_id
    FROM event
    WHERE resident_id IS NOT NULL AND coins > 0
), counted AS (
    INSERT INTO resident_day (owner_id, day, drops, grams, coins)
    SELECT *
    FROM unnest($21::bigint[], $22::date[], $23::int[], $24::bigint[], $25::bigint[])
      AS day (owner_id, day, drops, grams, coins)
    WHERE (SELECT fresh FROM checked)
    ON CONFLICT (owner_id, day)
    DO UPDATE SET drops = excluded.drops, grams = excluded.grams, coins = excluded.coins
), remembered AS (
    UPDATE bin_memory
    SET epoch = memory.epoch, sequence = memory.sequence, sequence_at = to_timestamp(memory.sequence_at),
        gaps_open = memory.gaps_open, heard_at = now(), boxes = memory.boxes::jsonb, hours = memory.hours::jsonb,
        counts = memory.counts::jsonb
    FROM unnest($26::text[], $27::int[], $28::bigint[], $29::float8[], $30::int[], $31::text[], $32::text[],
                $33::text[])
      AS memory (bin_id, epoch, sequence, sequence_at, gaps_open, boxes, hours, counts)
    WHERE bin_memory.bin_id = memory.bin_id AND (SELECT fresh FROM checked)
), credited AS (
    UPDATE wallet
    SET posted = wallet.posted + credit.coins
    FROM unnest($19::bigint[], $20::bigint[]) AS credit (owner_id, coins)
    WHERE wallet.owner_id = credit.owner_id AND (SELECT fresh FROM checked)
    -- Holds whose time is over hold nothing, written down yet or not.
    RETURNING wallet.owner_id, wallet.posted - wallet.held + CASE wallet.held WHEN 0 THEN 0 ELSE (
        SELECT coalesce(sum(hold.coins), 0)::bigint FROM hold
        WHERE hold.owner_id = wallet.owner_id AND hold.expires_at <= clock_timestamp()) END AS balance
)
SELECT fresh, NULL::bigint AS owner_id, NULL::bigint AS balance FROM checked
UNION ALL
SELECT NULL, owner_id, balance FROM credited
