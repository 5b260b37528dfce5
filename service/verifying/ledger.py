"""Invariants 3, 4 and 5: transfers, and the wallets they add up to."""

from typing import Final

from service.verifying.check import Check

CHECKS: Final = (
    Check(
        3,
        "reversals_mirror_their_transfer",
        "Each reversal names an earlier transfer of the same owner, moves the same coins the other way, and is its only"
        " one.",
        """
        SELECT reversal.owner_id, reversal.id AS transfer_id, reversal.reverses_id,
               CASE WHEN original.id IS NULL THEN 'no such transfer'
                    WHEN reversal.times > 1 THEN 'reversed twice'
                    WHEN original.id >= reversal.id THEN 'not earlier'
                    WHEN original.coins <> reversal.coins THEN 'other coins'
                    ELSE 'other accounts' END AS problem
        FROM (SELECT *, count(*) OVER (PARTITION BY owner_id, reverses_id) AS times
              FROM transfer
              WHERE kind = 'reversal') AS reversal
        LEFT JOIN transfer AS original ON original.owner_id = reversal.owner_id AND original.id = reversal.reverses_id
        WHERE original.id IS NULL
           OR reversal.times > 1
           OR original.id >= reversal.id
           OR original.coins <> reversal.coins
           OR original.debit_account_id <> reversal.credit_account_id
           OR original.credit_account_id <> reversal.debit_account_id
        """,
    ),
    Check(
        4,
        "transfers_join_two_accounts",
        "Each transfer moves coins between its owner's account and one of the right kind: from the issuer by a credit,"
        " to a merchant by a redemption, and back by a refund.",
        """
        SELECT transfer.owner_id, transfer.id AS transfer_id, transfer.kind,
               CASE WHEN debit.id IS NULL THEN 'no such debit account'
                    WHEN credit.id IS NULL THEN 'no such credit account'
                    WHEN transfer.coins <= 0 THEN 'no coins'
                    ELSE 'wrong accounts' END AS problem
        FROM transfer
        LEFT JOIN account AS debit ON debit.id = transfer.debit_account_id
        LEFT JOIN account AS credit ON credit.id = transfer.credit_account_id
        WHERE debit.id IS NULL OR credit.id IS NULL
           OR transfer.coins <= 0
           OR CASE transfer.owner_id
                WHEN transfer.credit_account_id THEN
                    credit.kind <> 'resident'
                    OR CASE transfer.kind WHEN 'credit' THEN debit.kind <> 'issuer'
                                          WHEN 'cover' THEN debit.kind <> 'issuer'
                                          WHEN 'adjustment' THEN debit.kind <> 'issuer'
                                          WHEN 'refund' THEN debit.kind <> 'merchant'
                                          WHEN 'reversal' THEN debit.kind <> 'merchant' AND debit.kind <> 'issuer'
                                          ELSE true END
                WHEN transfer.debit_account_id THEN
                    debit.kind <> 'resident'
                    OR CASE transfer.kind WHEN 'redemption' THEN credit.kind <> 'merchant'
                                          WHEN 'expiry' THEN credit.kind <> 'issuer'
                                          WHEN 'cover_refund' THEN credit.kind <> 'issuer'
                                          WHEN 'adjustment' THEN credit.kind <> 'issuer'
                                          WHEN 'reversal' THEN credit.kind <> 'merchant' AND credit.kind <> 'issuer'
                                          ELSE true END
                ELSE true END
        """,
    ),
    Check(
        5,
        "wallets_equal_their_transfers",
        "Each wallet's posted coins are what its transfers brought less what they took.",
        """
        SELECT owner_id, wallet.posted, coalesce(moved.coins, 0) AS posted_by_transfers
        FROM wallet
        FULL JOIN (
            SELECT owner_id,
                   sum(CASE owner_id WHEN credit_account_id THEN coins WHEN debit_account_id THEN -coins ELSE 0 END)
                     AS coins
            FROM transfer
            GROUP BY owner_id
        ) AS moved USING (owner_id)
        WHERE wallet.posted IS DISTINCT FROM coalesce(moved.coins, 0)
        """,
    ),
    Check(
        5,
        "residents_have_wallets",
        "Each resident has one account and one wallet, and each of those its resident.",
        """
        SELECT id AS owner_id, account.id IS NOT NULL AS has_account, resident.id IS NOT NULL AS has_resident,
               wallet.id IS NOT NULL AS has_wallet
        FROM (SELECT id FROM account WHERE kind = 'resident') AS account
        FULL JOIN resident USING (id)
        FULL JOIN (SELECT owner_id AS id FROM wallet) AS wallet USING (id)
        WHERE account.id IS NULL OR resident.id IS NULL OR wallet.id IS NULL
        """,
    ),
)
