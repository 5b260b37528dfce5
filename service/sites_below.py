"""SQL of the sites of an area, for sums by month; shared by features that know nothing of each other."""

from typing import Final

# Each site below the area `:area_id`, with the child area that it is below of; one at the area itself with the area.
PLACES: Final = """
below (id, branch) AS (
    SELECT id, id FROM area WHERE id = :area_id
    UNION
    SELECT area.id, CASE below.id WHEN :area_id THEN area.id ELSE below.branch END
    FROM area JOIN below ON area.parent_id = below.id
), place AS MATERIALIZED (
    SELECT site.id, below.branch FROM below JOIN site ON site.area_id = below.id
)
"""
# Of all sites together: where it does not matter which child area each is of, the join would be a fifth of the time.
MONTHS_BELOW: Final = "FROM volume_month AS volume WHERE volume.site_id = ANY (ARRAY(SELECT id FROM place))"
# The sites named twice: joined alone, the planner would read these months of all sites of the city, ten times as many.
MONTHS_OF_PLACES: Final = """
FROM place
JOIN volume_month AS volume ON volume.site_id = place.id AND volume.site_id = ANY (ARRAY(SELECT id FROM place))
"""
