-- name: page
-- Rows of one stretch, as one JSON array.
SELECT json_group_array(json_array(
    id, seq, type, sub_type, status, description, message, by, component_id, ts_started, ts_completed, ts_display,
    on_step, total_steps, timeout_ms, deadline, json(iif(archived, 'true', 'false')), opened, details) ORDER BY age, id)
FROM (
    SELECT * FROM notification INDEXED BY {index}
    WHERE finished = :finished AND {filters}
    ORDER BY age, id LIMIT :limit OFFSET :offset
);

-- name: count
-- How many rows a stretch has, up to a limit.
SELECT count(*) FROM (
    SELECT 1 FROM notification INDEXED BY {index} WHERE finished = :finished AND {filters} LIMIT :limit OFFSET :offset
);

-- name: tally_find
-- The slot that holds the row after :skip rows, and how many rows are before that slot.
SELECT slot, passed - rows FROM (
    SELECT slot, sum(rows) AS rows, sum(sum(rows)) OVER (ORDER BY slot) AS passed
    FROM tally
    WHERE unit = :unit AND finished = :finished AND slot BETWEEN :from AND :to
        AND (:archived OR archived = 0) AND (:type IS NULL OR type = :type)
    GROUP BY slot
)
WHERE passed > :skip ORDER BY slot LIMIT 1;

-- name: tally_total
SELECT sum(rows) FROM tally
WHERE unit = 3600000 AND finished = :finished AND (:archived OR archived = 0) AND (:type IS NULL OR type = :type);

-- name: filter_everyday
archived = 0;

-- name: filter_webhook_tx
type = 'webhook_tx';

-- name: filter_notification
type = 'notification';

-- name: filter_pending
status = 'pending';

-- name: filter_undoing
status = 'undoing';

-- name: filter_success
status = 'success';

-- name: filter_error
status = 'error';

-- name: filter_component_id
component_id = :component_id;

-- name: filter_sub_type
sub_type = :sub_type;

-- name: filter_by
by = :by;

-- name: filter_somebody
-- Implied by the filter above; the index holds only such rows.
by <> '-';

-- name: filter_from_ts
age <= -:from_ts;

-- name: filter_to_ts
age >= -:to_ts;

-- name: filter_from_age
age >= :from_age;

-- name: filter_to_age
age <= :to_age;

-- name: filter_after
-- Everything after one place in the order.
(age, id) > (:after_age, :after_id);
