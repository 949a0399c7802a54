#!/usr/bin/env python3
"""The smallest client of docs/protocol.md: keeps a map of the devices of a group, over broken links too.

    pip install websockets
    python minimal.py ws://127.0.0.1:8080/v1/live "Building A"

Prints the map as a line of JSON whenever it changed.
"""

import json
import random
import sys
import time

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

URL, GROUP = sys.argv[1], (sys.argv[2:] or [""])[0]
SEEN_BYTES, SEEN_AFTER_S, DEAD_AFTER_S = 4096, 1.0, 60.0


class Devices:
    """A view of kind `devices`, and where it stands."""

    def __init__(self):
        self.id, self.at = 0, None
        self.rows, self.staged, self.parts = {}, {}, []

    def subscribe(self, say):
        self.id, self.parts = self.id + 1, []
        since = {} if self.at is None else {"since": self.at}
        say(type="subscribe", id=self.id, view={"kind": "devices", "group": GROUP}, **since)

    def hear(self, frame, say):
        """Takes a frame; true when the map is another one now."""
        kind = frame["type"]
        if kind == "snapshot" and frame["id"] == self.id:
            if frame["part"] == 0:
                self.staged = {}
            self.staged.update((row["row"], join(row)) for row in frame["rows"])
            if frame["last"]:
                self.rows, self.at = self.staged, frame["at"]
                return True
        elif kind == "d" and frame["d"][0] == self.id:
            _, start, end = frame["d"]
            if start != self.at:
                say(type="unsubscribe", id=self.id)
                self.at = None
                self.subscribe(say)
                return False
            self.parts.append(frame)
            if not frame.get("more"):
                for part in self.parts:
                    self.apply(part)
                self.parts, self.at = [], end
                return True
        elif kind == "error":
            print(frame["message"], file=sys.stderr)
        return False

    def apply(self, delta):
        for row in delta.get("x", []):
            self.rows.pop(row, None)
        for row in delta.get("a", []):
            self.rows[row["row"]] = join(row)
        for row, column, name, *_ in delta.get("m", []):
            names = self.rows[row]["names"]
            names.extend([None] * (column + 1 - len(names)))
            names[column] = name
        for row, _time, *cells in delta.get("r", []):
            fill(self.rows[row], cells)
        for row, state, _since, _alert in delta.get("s", []):
            self.rows[row]["state"] = state

    def shown(self):
        return {row["id"]: {"state": row["state"], **values(row)} for row in self.rows.values()}


def join(row):
    known = {"id": row["id"], "state": row["state"], "names": [metric[0] for metric in row["metrics"]], "cells": {}}
    fill(known, row["cells"][1:])
    return known


def fill(row, cells):
    for column, cell in enumerate(cells):
        if cell is not None:
            row["cells"][column] = cell["v"] if isinstance(cell, dict) else cell


def values(row):
    return {row["names"][column]: value for column, value in row["cells"].items()}


def session(view):
    """One connection, until it breaks."""
    with connect(URL, max_size=None) as link:
        def say(**message):
            link.send(json.dumps(message))

        say(type="hello", protocol=2, encoding="json")
        view.subscribe(say)
        received = seen = 0
        heard = unseen_since = time.monotonic()
        while time.monotonic() < heard + DEAD_AFTER_S:
            try:
                text = link.recv(timeout=SEEN_AFTER_S / 2)
                heard = time.monotonic()
                unseen_since = heard if received == seen else unseen_since
                received += len(text.encode())
                if view.hear(json.loads(text), say):
                    print(json.dumps(view.shown(), sort_keys=True), flush=True)
            except TimeoutError:
                pass
            is_due = time.monotonic() >= unseen_since + SEEN_AFTER_S and received > seen
            if is_due or received - seen >= SEEN_BYTES:
                say(type="seen", bytes=received)
                seen = received


def main():
    view, attempt = Devices(), 0
    while True:
        before = view.at
        try:
            session(view)
        except (OSError, WebSocketException) as error:
            print(error, file=sys.stderr)
        attempt = 0 if view.at != before else attempt + 1
        time.sleep(min(30, 2**attempt) + random.random())


main()
