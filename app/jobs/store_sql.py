"""The statements of jobs, which `app.jobs.store` sends."""

from __future__ import annotations

COLUMNS = """
    id, namespace, key_id, actor, status, reason, priority, format, columns, source, source_stamp, options, input_bytes,
    documents, rejects, chunks, documents_done, mentions, links, chunks_done,
    created_at, started_at, resumed_at, cut_at, finished_at, digest,
    extract(epoch FROM coalesce(finished_at, now()) - coalesce(resumed_at, started_at))::float AS seconds,
    CASE WHEN status = 'running' THEN (
        SELECT coalesce(sum(annotation_chunk.documents), 0) FROM annotation_chunk
        WHERE job_id = annotation_job.id
          AND finished_at > greatest(now() - CAST(:rated AS interval), annotation_job.resumed_at)
    ) END AS recent
"""
INSERT = """
    INSERT INTO annotation_job
        (namespace, key_id, actor, idempotency_key, digest, priority, format, columns, source, options)
    VALUES (:namespace, :key_id, :actor, :idempotency_key, :digest, :priority, :format, :columns, :source, :options)
    ON CONFLICT (key_id, idempotency_key) DO NOTHING RETURNING id
"""
SAME = "SELECT id FROM annotation_job WHERE key_id = :key_id AND idempotency_key = :idempotency_key"
GET = f"SELECT {COLUMNS} FROM annotation_job WHERE id = :id"  # noqa: S608
# A worker that stands still, or whose machine is cut off, must not keep a job locked: the server ends its session.
LOCK_SECONDS = 10
HOLD_BRIEFLY = f"SET LOCAL idle_in_transaction_session_timeout = '{LOCK_SECONDS}s'"
LOCK = "SELECT 1 FROM annotation_job WHERE id = :id FOR UPDATE"
LIST = f"""
    SELECT {COLUMNS} FROM annotation_job
    WHERE namespace = :namespace AND (CAST(:key_id AS bigint) IS NULL OR key_id = :key_id)
      AND (CAST(:status AS text) IS NULL OR status = :status) AND (CAST(:before AS bigint) IS NULL OR id < :before)
    ORDER BY id DESC LIMIT :limit
"""  # noqa: S608
UNFINISHED = "SELECT count(*) FROM annotation_job WHERE key_id = :key_id AND finished_at IS NULL"
# One after the other, so that two that come together cannot both be the last that is allowed.
TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended('annotation_job', :key_id))"
LAST_DAY = """
    SELECT coalesce(sum(annotation_chunk.documents), 0)
    FROM annotation_job JOIN annotation_chunk ON annotation_chunk.job_id = annotation_job.id
    WHERE annotation_job.key_id = :key_id AND annotation_chunk.created_at > now() - interval '1 day'
"""
ADD_INPUT = "INSERT INTO annotation_input (job_id, number, piece) VALUES (:id, :number, :piece)"
READ_INPUT = "SELECT piece FROM annotation_input WHERE job_id = :id AND number = :number"
DROP_INPUT = "DELETE FROM annotation_input WHERE job_id = :id"
STORED = "UPDATE annotation_job SET input_bytes = :size WHERE id = :id"
BEGIN = """
    UPDATE annotation_job SET status = 'running', started_at = coalesce(started_at, now()),
        resumed_at = coalesce(resumed_at, now()), source_stamp = coalesce(source_stamp, :stamp)
    WHERE id = :id AND status IN ('queued', 'running') RETURNING source_stamp
"""
ADD_CHUNK = """
    INSERT INTO annotation_chunk (job_id, number, documents, rejects, input, rejected)
    VALUES (:id, :number, :documents, :rejects, :input, :rejected)
"""
COUNT_READ = """
    UPDATE annotation_job SET chunks = chunks + 1, documents = documents + :documents, rejects = rejects + :rejects
    WHERE id = :id
"""
END_OF_INPUT = "UPDATE annotation_job SET cut_at = now() WHERE id = :id"
READ_CHUNK = "SELECT input FROM annotation_chunk WHERE job_id = :id AND number = :number AND result IS NULL"
DONE_CHUNK = """
    UPDATE annotation_chunk SET result = :result, input = NULL, finished_at = now()
    WHERE job_id = :id AND number = :number AND result IS NULL RETURNING documents
"""
COUNT_DONE = """
    UPDATE annotation_job SET chunks_done = chunks_done + 1, documents_done = documents_done + :documents,
        mentions = mentions + :mentions, links = links + :links
    WHERE id = :id
"""
END = """
    UPDATE annotation_job SET status = 'done', reason = NULL, finished_at = now()
    WHERE id = :id AND cut_at IS NOT NULL AND chunks_done = chunks
"""
CHANGE = """
    UPDATE annotation_job SET reason = :reason,
        status = CASE WHEN :status = 'running' AND started_at IS NULL THEN 'queued' ELSE :status END,
        finished_at = CASE WHEN :status IN ('failed', 'cancelled') THEN now() END,
        resumed_at = CASE WHEN :status = 'running' THEN now() ELSE resumed_at END
    WHERE id = :id
"""
OPEN_CHUNKS = "SELECT number FROM annotation_chunk WHERE job_id = :id AND result IS NULL ORDER BY number"
PART = "SELECT result FROM annotation_chunk WHERE job_id = :id AND number = :number"
REJECTED = "SELECT rejected FROM annotation_chunk WHERE job_id = :id AND number = :number"
DELETE = "DELETE FROM annotation_job WHERE id = :id"
PRUNE = "DELETE FROM annotation_job WHERE finished_at < now() - CAST(:age AS interval) RETURNING id"
# The type of the queue's argument has the same columns as ROW has here.
DEFER = """
    SELECT procrastinate.procrastinate_defer_jobs_v1(array_agg(
        ROW(CAST(:queue AS text), CAST(:task AS text), CAST(:priority AS int), NULL, NULL, work, NULL)
            ::procrastinate.procrastinate_job_to_defer_v1))
    FROM jsonb_array_elements(CAST(:work AS jsonb)) AS work
"""
# Work of workers that no longer say that they live; it goes to whoever asks next.
TAKE_OVER = """
    WITH lost AS (
        SELECT job.id FROM procrastinate.procrastinate_jobs job
        LEFT JOIN procrastinate.procrastinate_workers worker ON worker.id = job.worker_id
        WHERE job.status = 'doing' AND job.queue_name = :queue
          AND (worker.id IS NULL OR worker.last_heartbeat < now() - CAST(:lease AS interval) OR job.id = ANY(:ids))
        FOR UPDATE OF job SKIP LOCKED
    )
    SELECT id, procrastinate.procrastinate_retry_job_v2(id, now(), NULL, NULL, NULL) FROM lost
"""
FORGET_WORK = """
    DELETE FROM procrastinate.procrastinate_jobs WHERE status = 'todo' AND queue_name = :queue AND args->'job' = :id
"""
