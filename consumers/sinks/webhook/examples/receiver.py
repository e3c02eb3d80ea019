"""The whole duty of a receiver: check the signature, drop what it has seen, apply the rest, all in one transaction.

python -m consumers.sinks.webhook.examples.receiver rows.db whsec_… 8080
"""

from __future__ import annotations

import json
import os
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

TABLES = """
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS opened (grant_id TEXT PRIMARY KEY, generation INTEGER);
CREATE TABLE IF NOT EXISTS rows (grant_id TEXT, key TEXT, row TEXT, PRIMARY KEY (grant_id, key));
"""


# receive: begin
def receive(db: sqlite3.Connection, secret: str, headers: Mapping[str, str], body: bytes) -> None:
    message = Webhook(secret).verify(body, dict(headers))  # raises WebhookVerificationError: answer 401
    data, grant = message["data"], message["data"]["grant"]
    with db:  # one transaction: the id that was seen and what came of it
        db.execute("INSERT INTO opened VALUES (?, 0) ON CONFLICT DO NOTHING", [grant])
        [current] = db.execute("SELECT generation FROM opened WHERE grant_id = ?", [grant]).fetchone()
        new = db.execute("INSERT OR IGNORE INTO seen VALUES (?)", [headers["webhook-id"]]).rowcount == 1
        if not new or data["generation"] < current:
            return  # seen, or too late: answer 204 all the same
        if message["type"] == "view.opened":
            db.execute("UPDATE opened SET generation = ? WHERE grant_id = ?", [data["generation"], grant])
            db.execute("DELETE FROM rows WHERE grant_id = ?", [grant])
        for event in data.get("events", ()):
            place = [grant, json.dumps(event["key"], sort_keys=True)]
            if event["op"] == "d":
                db.execute("DELETE FROM rows WHERE grant_id = ? AND key = ?", place)
            else:
                db.execute("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", [*place, json.dumps(event["after"])])


# receive: end


def main(path: str, port: str) -> None:
    """Serve on this machine until stopped."""
    secret = os.environ["WEBHOOK_SECRET"]
    with closing(sqlite3.connect(path)) as db:
        db.executescript(TABLES)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = 204
            with closing(sqlite3.connect(path)) as db:
                try:
                    receive(db, secret, {k.lower(): v for k, v in self.headers.items()}, body)
                except WebhookVerificationError:
                    status = 401
            self.send_response(status)
            self.end_headers()

    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
