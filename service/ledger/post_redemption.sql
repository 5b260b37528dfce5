-- Take coins from a wallet and post the transfer that says where they went; where they fall short, change nothing.
--   :owner_id  :merchant_account_id  :coins  :redemption_id
-- Gives the wallet as it is then, and whether the coins moved. One round trip, so that the wallet is locked for as short
-- as can be, and so that a decline tells what is available at the moment of the decision, not a little later.
WITH locked AS (
    SELECT owner_id, posted, held
    FROM wallet
    WHERE owner_id = :owner_id
    FOR NO KEY UPDATE
), moved AS (
    -- From the locked row, held too: `wallet` is here the row as it was when the statement began, and PostgreSQL checks the
    -- constraints on a row made from that one before it sees that there is a newer one to start from.
    UPDATE wallet
    SET posted = locked.posted - :coins, held = locked.held
    FROM locked
    WHERE wallet.owner_id = locked.owner_id AND locked.posted - locked.held >= :coins
    RETURNING wallet.owner_id, wallet.posted, wallet.held
), inserted AS (
    INSERT INTO transfer (owner_id, kind, debit_account_id, credit_account_id, coins, redemption_id)
    SELECT owner_id, 'redemption', owner_id, :merchant_account_id, :coins, :redemption_id
    FROM moved
)
SELECT coalesce(moved.posted, locked.posted) AS posted, locked.held AS held, moved.owner_id IS NOT NULL AS moved
FROM locked
LEFT JOIN moved ON moved.owner_id = locked.owner_id
