-- Close one merchant's month: the statement and what it is made of, in one statement. The merchant is locked.
--   :merchant_id  :account_id  :number  :month  :begins_at (how far back one looks)  :ends_at
-- What is taken is every capture and refund from before :ends_at that is on no statement yet, and every capture that
-- came too late. Those older than :begins_at are: a transaction lasts minutes at most, and :begins_at is a whole closed
-- month back.
-- Gives the totals, how many captures have no rate and since when, and the number where it was issued.
WITH unsettled AS (
    SELECT owner_id, id, kind, coins, reverses_id, created_at
    FROM transfer
    WHERE kind = 'redemption' AND credit_account_id = :account_id
      AND created_at >= :begins_at AND created_at < :ends_at
    UNION ALL
    SELECT owner_id, id, kind, coins, reverses_id, created_at
    FROM transfer
    WHERE kind = 'refund' AND debit_account_id = :account_id
      AND created_at >= :begins_at AND created_at < :ends_at
    UNION ALL
    -- As redemptions were given back before there were refunds.
    SELECT owner_id, id, 'refund', coins, reverses_id, created_at
    FROM transfer
    WHERE kind = 'reversal' AND debit_account_id = :account_id
      AND created_at >= :begins_at AND created_at < :ends_at
), rated AS (
    -- A refund is worth what its capture was.
    SELECT unsettled.owner_id, unsettled.id, unsettled.kind, unsettled.coins, rate.fen_per_1000_coins,
           coalesce(captured.created_at, unsettled.created_at) AS captured_at
    FROM unsettled
    LEFT JOIN transfer AS captured
      ON unsettled.kind = 'refund' AND captured.owner_id = unsettled.owner_id AND captured.id = unsettled.reverses_id
    LEFT JOIN LATERAL (
        SELECT fen_per_1000_coins
        FROM merchant_rate
        WHERE merchant_id = :merchant_id AND effective_from <= coalesce(captured.created_at, unsettled.created_at)
        ORDER BY effective_from DESC
        LIMIT 1
    ) AS rate ON true
    WHERE NOT EXISTS (
        SELECT FROM settlement_line
        WHERE settlement_line.owner_id = unsettled.owner_id AND settlement_line.transfer_id = unsettled.id
    )
), uncovered AS (
    SELECT owner_id, redemption_id, coins
    FROM uncovered_capture
    WHERE merchant_id = :merchant_id AND received_at >= :begins_at AND received_at < :ends_at
      AND NOT EXISTS (
          SELECT FROM settlement_uncovered AS told
          WHERE told.owner_id = uncovered_capture.owner_id AND told.redemption_id = uncovered_capture.redemption_id
      )
), totals AS (
    SELECT count(*) FILTER (WHERE kind = 'redemption') AS captures,
           coalesce(sum(coins) FILTER (WHERE kind = 'redemption'), 0)::bigint AS captured_coins,
           count(*) FILTER (WHERE kind = 'refund') AS refunds,
           coalesce(sum(coins) FILTER (WHERE kind = 'refund'), 0)::bigint AS refunded_coins,
           -- Rounded once, towards zero.
           div(coalesce(sum(coins::numeric * fen_per_1000_coins * CASE kind WHEN 'refund' THEN -1 ELSE 1 END), 0),
               1000)::bigint AS payable_fen,
           count(*) FILTER (WHERE fen_per_1000_coins IS NULL) AS unrated,
           min(captured_at) FILTER (WHERE fen_per_1000_coins IS NULL) AS unrated_from,
           (SELECT coalesce(sum(coins), 0)::bigint FROM uncovered) AS uncovered_coins
    FROM rated
), issued AS (
    INSERT INTO settlement_statement (number, merchant_id, month, captures, captured_coins, refunds, refunded_coins,
                                      net_coins, payable_fen, uncovered_coins)
    SELECT :number, :merchant_id, :month, captures, captured_coins, refunds, refunded_coins,
           captured_coins - refunded_coins, payable_fen, uncovered_coins
    FROM totals
    WHERE captures + refunds + uncovered_coins > 0 AND unrated = 0
    RETURNING number, issued_at
), lined AS (
    INSERT INTO settlement_line (owner_id, transfer_id, statement_number, fen_per_1000_coins)
    SELECT rated.owner_id, rated.id, issued.number, rated.fen_per_1000_coins
    FROM rated
    CROSS JOIN issued
    -- As the primary key has them, so that its pages are written one after the other.
    ORDER BY rated.owner_id, rated.id
), told AS (
    INSERT INTO settlement_uncovered (owner_id, redemption_id, statement_number)
    SELECT uncovered.owner_id, uncovered.redemption_id, issued.number
    FROM uncovered
    CROSS JOIN issued
)
SELECT totals.*, issued.number, issued.issued_at
FROM totals
LEFT JOIN issued ON true
