CREATE TABLE executions (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    epoch INTEGER NOT NULL,
    pipeline TEXT NOT NULL,
    status TEXT NOT NULL,
    error TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    definition TEXT NOT NULL,
    input TEXT NOT NULL
) STRICT;
CREATE INDEX executions_by_status ON executions (status, key);
CREATE TABLE events (
    execution INTEGER NOT NULL REFERENCES executions (key) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    json BLOB NOT NULL,
    PRIMARY KEY (execution, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO executions VALUES (1, 'e', 1, 'test', 'completed', NULL, 1, 1, 2, '{}', '{}');
INSERT INTO events VALUES (1, 1, CAST('{"event_type":"pipeline_start","execution_id":"e","seq":1,"timestamp":"2026-01-01T00:00:00.000Z","data":{}}' AS BLOB));
INSERT INTO events VALUES (1, 2, CAST('{"event_type":"pipeline_complete","execution_id":"e","seq":2,"timestamp":"2026-01-01T00:00:00.000Z","data":{"output":{}}}' AS BLOB));
PRAGMA user_version = 1;
