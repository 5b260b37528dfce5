-- Write what a book has decided. The wallets were locked by an earlier statement of this transaction, so what is set here
-- follows from the newest version of each. Arrays, one element a row. What follows this text ends the statement; it may use
-- $23, and has its own arguments from $24 on.
--   $1 owner_id  $2 posted  $3 held                                                            the wallets that changed
--   $4 owner_id  $5 kind  $6 debit_account_id  $7 credit_account_id  $8 coins  $9 redemption_id  $10 reverses_id
--   $11 reason                                                                       transfers, in the order of their ids
--   $12 owner_id  $13 redemption_id  $14 coins  $15 expires_at                                       holds that are placed
--   $16 owner_id  $17 redemption_id  $18 outcome  $19 coins  $20 captured_coins  $21 held_at  $22 expires_at
--                                                                                               holds that are resolved
--   $23 the moment of the decisions
WITH changed AS (
    UPDATE wallet
    SET posted = new.posted, held = new.held
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS new (owner_id, posted, held)
    WHERE wallet.owner_id = new.owner_id
), posted AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, redemption_id, reverses_id, reason,
                          created_at)
    SELECT *, $23::timestamptz
    FROM unnest($4::bigint[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::uuid[], $10::bigint[],
                $11::text[])
), placed AS (
    INSERT INTO hold (owner_id, redemption_id, coins, expires_at, held_at)
    SELECT *, $23::timestamptz
    FROM unnest($12::bigint[], $13::uuid[], $14::bigint[], $15::timestamptz[])
), released AS (
    DELETE FROM hold
    USING unnest($16::bigint[], $17::uuid[]) AS resolved (owner_id, redemption_id)
    WHERE hold.owner_id = resolved.owner_id AND hold.redemption_id = resolved.redemption_id
), resolved AS (
    INSERT INTO hold_resolution (owner_id, redemption_id, outcome, coins, captured_coins, held_at, expires_at,
                                 resolved_at)
    SELECT *, $23::timestamptz
    FROM unnest($16::bigint[], $17::uuid[], $18::text[], $19::bigint[], $20::bigint[], $21::timestamptz[],
                $22::timestamptz[])
)
