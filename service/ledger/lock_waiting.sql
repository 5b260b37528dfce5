-- Lock the unclaimed events that wait for these credentials, which are bound by now.
--   :credential_digests  whose events
--   :waiting_max         how long before the binding an event may have occurred; one that is older stays unclaimed
--   :demo                whether credentials made by the demo count
-- Gives each event's key and whose it is. At most 1000, so that a card which a thousand people used cannot make a
-- statement that never ends: whoever gets 1000 asks again. What an operator has to look at first, or has rejected, does
-- not wait; what was held and an operator has released does, as of the time that they decided.
-- Everybody locks events first and wallets second, each sorted: so nobody deadlocks with this, nor this with itself.
SELECT weigh_event.bin_id, weigh_event.event_id, credential.resident_id
FROM credential
JOIN weigh_event ON weigh_event.credential_digest = credential.digest
LEFT JOIN held_event AS review
  ON review.bin_id = weigh_event.bin_id AND review.event_id = weigh_event.event_id
LEFT JOIN review_decision AS release
  ON release.bin_id = weigh_event.bin_id AND release.event_id = weigh_event.event_id
 AND release.decision = 'released'
WHERE credential.digest = ANY (:credential_digests)
  AND (NOT credential.demo OR :demo)
  AND weigh_event.outcome = 'unclaimed'
  AND weigh_event.credential_digest IS NOT NULL
  AND (review.state IS NULL OR review.state = 'released')
  AND coalesce(release.placed_at, weigh_event.occurred_at) >= credential.bound_at - :waiting_max
ORDER BY weigh_event.bin_id, weigh_event.event_id
-- A literal: of a parameter the planner would not know that it is small.
LIMIT 1000
FOR NO KEY UPDATE OF weigh_event
