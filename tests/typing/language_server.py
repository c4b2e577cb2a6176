"""LanguageServer: asks a language server what an editor shows, in a process of its own.

pygls has a client, too; it refuses what ty, pyrefly and zuban answer to ``initialize``, because its
types of the protocol (lsprotocol 2025.0.0) know no selector of notebooks with cells alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Timer
from types import TracebackType
from typing import Any, Self

from collection_jobs.conformance.static.checkers import installed_program

__all__ = ["SERVERS", "LanguageServer", "ServerError"]

SERVERS: Mapping[str, Sequence[str]] = {
    "pyright": ("pyright-langserver", "--stdio"),
    "basedpyright": ("basedpyright-langserver", "--stdio"),
    "ty": ("ty", "server"),
    "pyrefly": ("pyrefly", "lsp"),
    "zuban": ("zuban", "server"),
}
"""How each type checker is started as a language server; mypy is none."""

_TIMEOUT = 60.0


class ServerError(Exception):
    """A language server refused a request, or ended."""


class LanguageServer:
    """A language server with one document open, as in an editor.

    Args:
        name: One of SERVERS.
        document: A Python file, alone in its directory, which is the workspace.
        python: The interpreter whose installed packages are seen.
    """

    def __init__(self, name: str, document: Path, python: str) -> None:
        self._name = name
        self._document = document
        self._python = python
        self._requests = 0

    def __enter__(self) -> Self:
        """Start the server and open the document."""
        program, *arguments = SERVERS[self._name]
        path = installed_program(program)
        if path is None:
            raise ServerError(f"{program} is not installed")
        self._process = subprocess.Popen(
            [str(path), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # ty and zuban look for packages where an editor's activated environment is.
            env={**os.environ, "VIRTUAL_ENV": str(Path(self._python).parent.parent)},
        )
        # One that hangs is ended, and the request then says so.
        self._watchdog = Timer(_TIMEOUT, self._process.kill)
        self._watchdog.start()
        workspace = self._document.parent.as_uri()
        self._ask(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": workspace,
                "workspaceFolders": [{"uri": workspace, "name": "workspace"}],
                "capabilities": {
                    "workspace": {"configuration": True, "workspaceFolders": True},
                    "textDocument": {"hover": {"contentFormat": ["markdown"]}},
                },
                "initializationOptions": {"pythonPath": self._python},
            },
        )
        self._tell("initialized", {})
        text = self._document.read_text(encoding="utf-8")
        item = {"uri": self._document.as_uri(), "languageId": "python", "version": 1, "text": text}
        self._tell("textDocument/didOpen", {"textDocument": item})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the server."""
        self._watchdog.cancel()
        self._process.kill()
        self._process.communicate()

    def hover(self, line: int, column: int) -> str:
        """Return what is shown, as Markdown, for the name at a place; empty if nothing is.

        Args:
            line: The line, from 0.
            column: The column, from 0, in UTF-16 code units.

        Raises:
            ServerError: The server refused, or ended.
        """
        where = {
            "textDocument": {"uri": self._document.as_uri()},
            "position": {"line": line, "character": column},
        }
        shown = self._ask("textDocument/hover", where)
        text: str = shown["contents"]["value"] if shown else ""
        return text

    def _ask(self, method: str, params: object) -> Any:
        self._requests += 1
        request = self._requests
        self._send({"id": request, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" in message:
                if "id" in message:
                    self._send({"id": message["id"], "result": self._answer(message)})
            elif message["id"] == request:
                if "error" in message:
                    raise ServerError(f"{self._name} refused {method}: {message['error']}")
                return message["result"]

    def _answer(self, request: dict[str, Any]) -> object:
        """Answer what a server asks of an editor: it wants the settings, and little else."""
        if request["method"] != "workspace/configuration":
            return None
        settings = {"python": {"pythonPath": self._python}}
        return [settings.get(item.get("section"), {}) for item in request["params"]["items"]]

    def _tell(self, method: str, params: object) -> None:
        self._send({"method": method, "params": params})

    def _send(self, message: dict[str, object]) -> None:
        assert self._process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        try:
            self._process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
            self._process.stdin.flush()
        except BrokenPipeError:
            raise ServerError(f"{self._name} ended") from None

    def _receive(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        length = 0
        while header := self._process.stdout.readline().strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise ServerError(f"{self._name} ended, or did not answer within {_TIMEOUT:.0f} s")
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message
