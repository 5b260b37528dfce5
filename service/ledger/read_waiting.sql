-- What is known of events that are locked, and lock the wallets that they are for.
--   :bin_ids, :event_ids, :owner_ids  the events with whose they are, as lock_waiting.sql gave them
--   :zone                             where business days begin
-- An event whose review another transaction has opened meanwhile is not given: of that the lock could not tell, and this
-- statement began after it was had.
WITH locked AS MATERIALIZED (
    SELECT owner_id
    FROM wallet
    WHERE owner_id = ANY (:owner_ids)
    ORDER BY owner_id
    FOR NO KEY UPDATE
)
SELECT event.bin_id, event.event_id, resident.id AS owner_id, resident.kind, event.material_id, event.weight_grams,
       coalesce(release.coins, event.coins) AS coins, release.coins IS NOT NULL AS released,
       extract(epoch FROM coalesce(release.placed_at, event.occurred_at))::float8 AS counts_at,
       extract(epoch FROM event.received_at)::float8 AS came_at,
       date(timezone(:zone, coalesce(release.placed_at, event.occurred_at))) AS day
FROM unnest(:bin_ids, :event_ids, :owner_ids) AS waiting (bin_id, event_id, owner_id)
JOIN weigh_event AS event ON event.bin_id = waiting.bin_id AND event.event_id = waiting.event_id
JOIN resident ON resident.id = waiting.owner_id
LEFT JOIN held_event AS review ON review.bin_id = event.bin_id AND review.event_id = event.event_id
LEFT JOIN review_decision AS release
  ON release.bin_id = event.bin_id AND release.event_id = event.event_id AND release.decision = 'released'
WHERE event.outcome = 'unclaimed'
  AND (review.state IS NULL OR review.state = 'released')
  AND (SELECT count(*) FROM locked) >= 0
ORDER BY counts_at, event.sequence, event.bin_id, event.event_id
