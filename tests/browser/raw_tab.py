"""A tab under devtools alone: Playwright keeps its own pages visible, and a visible page cannot be frozen."""

import itertools
import json
import time
from typing import Any

from playwright.sync_api import Browser

PATIENCE_S = 20


class RawTab:
    """One tab in a browser context of its own, or in that of another, with one that can be put before it."""

    def __init__(self, browser: Browser, url: str, beside: "RawTab | None" = None) -> None:
        self._root = browser.new_browser_cdp_session()
        own = None if beside else self._root.send("Target.createBrowserContext")["browserContextId"]
        self._context = beside._context if beside else own
        self._ids = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._root.on("Target.receivedMessageFromTarget", self._take)
        attached = self._root.send("Target.attachToTarget", {"targetId": self._open("about:blank"), "flatten": False})
        self._session = attached["sessionId"]
        # Answered once the page is there; a tab opened with its URL is for a moment a complete page without one.
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def _open(self, url: str) -> str:
        target: str = self._root.send("Target.createTarget", {"url": url, "browserContextId": self._context})[
            "targetId"
        ]
        return target

    def _take(self, received: dict[str, Any]) -> None:
        answer = json.loads(received["message"])
        if "id" in answer:
            self._answers[answer["id"]] = answer

    def send(self, method: str, **parameters: Any) -> Any:
        """Send a command to the tab and return its result."""
        number = next(self._ids)
        text = json.dumps({"id": number, "method": method, "params": parameters})
        self._root.send("Target.sendMessageToTarget", {"sessionId": self._session, "message": text})
        deadline_s = time.monotonic() + PATIENCE_S
        while number not in self._answers:
            assert time.monotonic() < deadline_s, f"no answer to {method}"
            self._root.send("Target.getTargets")  # lets Playwright's loop turn
            time.sleep(0.01)
        answer = self._answers.pop(number)
        assert "error" not in answer, answer
        return answer["result"]

    def evaluate(self, expression: str) -> Any:
        """Value of an expression, a promise's when it is one."""
        told = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression holds."""
        deadline_s = time.monotonic() + PATIENCE_S
        while not self.evaluate(expression):
            assert time.monotonic() < deadline_s, f"not in time: {expression}"
            time.sleep(0.05)

    def hide(self) -> None:
        """Put another tab before it."""
        self._root.send("Target.activateTarget", {"targetId": self._open("about:blank")})
        self.until("document.visibilityState === 'hidden'")

    def close(self) -> None:
        """Close the context with all its tabs."""
        self._root.send("Target.disposeBrowserContext", {"browserContextId": self._context})
        self._root.detach()
