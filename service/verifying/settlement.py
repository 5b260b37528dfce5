"""Invariant 3: corrections by two operators, and settlement statements."""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        3,
        "adjustments_were_approved_by_another",
        "Each approved adjustment has one transfer, as it was asked for, with both operators; no other has any. It was"
        " decided on after it was asked for; both operators are known, and are of two names where it was approved.",
        """
        SELECT owner_id, adjustment_id, adjustment.decision, posted.id AS transfer_id
        FROM (SELECT owner_id, id AS adjustment_id, direction, coins, reason, corrects_id, requested_by, created_at,
                     decided_by, decided_at, decision
              FROM adjustment) AS adjustment
        FULL JOIN (SELECT * FROM transfer WHERE kind = 'adjustment') AS posted USING (owner_id, adjustment_id)
        LEFT JOIN api_key AS requester ON requester.id = adjustment.requested_by
        LEFT JOIN api_key AS decider ON decider.id = adjustment.decided_by
        WHERE CASE WHEN posted.id IS NULL THEN adjustment.decision = 'approved'
                   ELSE adjustment.decision IS DISTINCT FROM 'approved'
                     OR posted.coins <> adjustment.coins
                     OR posted.reason <> adjustment.reason
                     OR posted.reverses_id IS DISTINCT FROM adjustment.corrects_id
                     OR posted.requested_by <> adjustment.requested_by
                     OR posted.approved_by <> adjustment.decided_by
                     OR posted.requested_by = posted.approved_by
                     OR (posted.credit_account_id = owner_id) <> (adjustment.direction = 'credit') END
           OR adjustment.decided_at < adjustment.created_at
           OR requester.id IS NULL
           OR adjustment.decided_by IS NOT NULL AND decider.id IS NULL
           OR adjustment.decision = 'approved' AND requester.plain_name = decider.plain_name
        """,
    ),
    Check(
        3,
        "statements_equal_their_lines",
        "Each settlement statement is, to the fen, what its captures and refunds come to at their rates.",
        """
        SELECT statement.number, statement.captured_coins, statement.refunded_coins, statement.payable_fen,
               coalesce(sums.captured_coins, 0) AS captured_by_lines,
               coalesce(sums.refunded_coins, 0) AS refunded_by_lines,
               coalesce(sums.payable_fen, 0) AS payable_by_lines
        FROM settlement_statement AS statement
        LEFT JOIN (
            SELECT line.statement_number,
                   count(*) FILTER (WHERE kind = 'redemption') AS captures,
                   count(*) FILTER (WHERE kind <> 'redemption') AS refunds,
                   sum(coins) FILTER (WHERE kind = 'redemption') AS captured_coins,
                   sum(coins) FILTER (WHERE kind <> 'redemption') AS refunded_coins,
                   trunc(sum(CASE kind WHEN 'redemption' THEN 1 ELSE -1 END * coins::numeric * fen_per_1000_coins)
                         / 1000) AS payable_fen
            FROM settlement_line AS line
            JOIN transfer ON transfer.owner_id = line.owner_id AND transfer.id = line.transfer_id
            GROUP BY line.statement_number
        ) AS sums ON sums.statement_number = statement.number
        WHERE (statement.captures, statement.refunds, statement.captured_coins, statement.refunded_coins,
               statement.net_coins, statement.payable_fen)
              IS DISTINCT FROM (coalesce(sums.captures, 0), coalesce(sums.refunds, 0),
                                coalesce(sums.captured_coins, 0), coalesce(sums.refunded_coins, 0),
                                coalesce(sums.captured_coins, 0) - coalesce(sums.refunded_coins, 0),
                                coalesce(sums.payable_fen, 0))
        """,
    ),
    Check(
        3,
        "statements_are_of_their_month",
        "Each settlement statement has the number of its merchant and month; it was issued when the month was over, and"
        " after those of earlier months.",
        """
        SELECT number, merchant_id, month, issued_at, issued_before
        FROM (SELECT number, merchant_id, month, issued_at,
                     lag(issued_at) OVER (PARTITION BY merchant_id ORDER BY month) AS issued_before
              FROM settlement_statement) AS statement
        WHERE number <> merchant_id || '-' || to_char(month, 'YYYYMM')
           OR issued_at < (month + interval '1 month') AT TIME ZONE :timezone
           OR issued_at < issued_before
        """,
    ),
    Check(
        3,
        "lines_have_the_rate_of_their_capture",
        "Each line of a statement is settled at its merchant's rate that was in force when the coins were captured,"
        " also where they were given back later.",
        """
        SELECT line.statement_number, line.owner_id, line.transfer_id, line.fen_per_1000_coins,
               rate.fen_per_1000_coins AS fen_in_force
        FROM settlement_line AS line
        JOIN settlement_statement AS statement ON statement.number = line.statement_number
        JOIN transfer ON transfer.owner_id = line.owner_id AND transfer.id = line.transfer_id
        LEFT JOIN transfer AS captured
          ON transfer.kind <> 'redemption' AND captured.owner_id = transfer.owner_id
         AND captured.id = transfer.reverses_id
        LEFT JOIN (
            SELECT merchant_id, fen_per_1000_coins, effective_from,
                   lead(effective_from, 1, 'infinity') OVER (PARTITION BY merchant_id ORDER BY effective_from)
                     AS effective_until
            FROM merchant_rate
        ) AS rate ON rate.merchant_id = statement.merchant_id
                 AND coalesce(captured.created_at, transfer.created_at) >= rate.effective_from
                 AND coalesce(captured.created_at, transfer.created_at) < rate.effective_until
        WHERE line.fen_per_1000_coins IS DISTINCT FROM rate.fen_per_1000_coins
        """,
    ),
    Check(
        3,
        "statements_show_what_is_uncovered",
        "Each settlement statement shows what the captures that came too late, and are told on it, come to.",
        """
        SELECT statement.number, statement.uncovered_coins, coalesce(sum(uncovered.coins), 0) AS coins_told
        FROM settlement_statement AS statement
        LEFT JOIN settlement_uncovered AS told ON told.statement_number = statement.number
        LEFT JOIN uncovered_capture AS uncovered
          ON uncovered.owner_id = told.owner_id AND uncovered.redemption_id = told.redemption_id
        GROUP BY statement.number, statement.uncovered_coins
        HAVING statement.uncovered_coins <> coalesce(sum(uncovered.coins), 0)
        """,
    ),
    Check(
        3,
        "uncovered_captures_are_told",
        "Each capture that came too late before a merchant's newest closed month is told on one of its statements, of a"
        " month that ended later.",
        """
        SELECT told.statement_number, owner_id, redemption_id, uncovered.coins
        FROM uncovered_capture AS uncovered
        FULL JOIN settlement_uncovered AS told USING (owner_id, redemption_id)
        LEFT JOIN settlement_statement AS statement ON statement.number = told.statement_number
        LEFT JOIN (SELECT merchant_id, max(month)::timestamp AT TIME ZONE :timezone AS begins_at
                   FROM settlement_statement
                   GROUP BY merchant_id) AS newest ON newest.merchant_id = uncovered.merchant_id
        WHERE CASE WHEN told.statement_number IS NULL THEN uncovered.received_at < newest.begins_at
                   ELSE uncovered.merchant_id IS DISTINCT FROM statement.merchant_id
                     OR uncovered.received_at >= (statement.month + interval '1 month') AT TIME ZONE :timezone END
        """,
    ),
    Check(
        3,
        "lines_are_their_merchants",
        "Each line of a statement is a capture or refund of its merchant from before the month's end, and none that was"
        " there for an earlier statement.",
        # A transaction that was under way when the earlier one was issued lasted no hour.
        """
        SELECT line.statement_number, line.owner_id, line.transfer_id, transfer.kind
        FROM settlement_line AS line
        JOIN (SELECT number, merchant_id, month,
                     least(lag(month + interval '1 month') OVER months AT TIME ZONE :timezone,
                           lag(issued_at) OVER months - interval '1 hour') AS settled_until
              FROM settlement_statement
              WINDOW months AS (PARTITION BY merchant_id ORDER BY month)) AS statement
          ON statement.number = line.statement_number
        JOIN merchant ON merchant.id = statement.merchant_id
        LEFT JOIN transfer ON transfer.owner_id = line.owner_id AND transfer.id = line.transfer_id
        WHERE CASE transfer.kind WHEN 'redemption' THEN transfer.credit_account_id <> merchant.account_id
                                 WHEN 'refund' THEN transfer.debit_account_id <> merchant.account_id
                                 WHEN 'reversal' THEN transfer.debit_account_id <> merchant.account_id
                                 ELSE true END
           OR transfer.created_at >= (statement.month + interval '1 month') AT TIME ZONE :timezone
           OR transfer.created_at < statement.settled_until
        """,
    ),
    Check(
        3,
        "nothing_is_left_unsettled",
        "Each capture and refund from before a merchant's newest closed month is a line of one of its statements.",
        """
        SELECT merchant.id AS merchant_id, transfer.owner_id, transfer.id AS transfer_id, transfer.kind
        FROM (SELECT merchant_id, max(month)::timestamp AT TIME ZONE :timezone AS begins_at
              FROM settlement_statement
              GROUP BY merchant_id) AS newest
        JOIN merchant ON merchant.id = newest.merchant_id
        JOIN transfer
          ON transfer.created_at < newest.begins_at
         AND CASE transfer.kind WHEN 'redemption' THEN transfer.credit_account_id = merchant.account_id
                                WHEN 'refund' THEN transfer.debit_account_id = merchant.account_id
                                WHEN 'reversal' THEN transfer.debit_account_id = merchant.account_id
                                ELSE false END
        WHERE NOT EXISTS (
            SELECT FROM settlement_line AS line
            WHERE line.owner_id = transfer.owner_id AND line.transfer_id = transfer.id
        )
        """,
    ),
)
