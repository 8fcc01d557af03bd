"""A page in a real browser, as a user has it: size, touch, dark mode, keys, the clipboard.

Chromium is spoken to by its DevTools protocol over a pipe, which needs no other package.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

needs_browser = pytest.mark.skipif(not shutil.which('chromium'), reason='needs a browser')
KEYS = {'Tab': 9, 'ArrowRight': 39, 'ArrowLeft': 37}


class Browser:
    """A running Chromium: :meth:`open` gives pages."""

    def __init__(self, sent: int, got: int) -> None:
        self.sent, self.got, self.number = os.fdopen(sent, 'wb'), os.fdopen(got, 'rb'), 0
        self.waiting, self.target = b'', None

    def __call__(self, method: str, session: str | None = None, **options: Any) -> dict[str, Any]:
        """Send a command and return what it gives; events before it are dropped."""
        self.number += 1
        message = dict(id=self.number, method=method, params=options)
        if session:
            message['sessionId'] = session
        self.sent.write(json.dumps(message).encode() + b'\0')
        self.sent.flush()
        while (said := self._next()).get('id') != self.number:
            pass
        assert 'error' not in said, said
        return said['result']

    def wait(self, event: str) -> None:
        while self._next().get('method') != event:
            pass

    def _next(self) -> dict[str, Any]:
        while b'\0' not in self.waiting:
            read = self.got.read1(1 << 16)
            assert read, 'the browser is gone'
            self.waiting += read
        line, _, self.waiting = self.waiting.partition(b'\0')
        return json.loads(line)

    def open(
        self,
        page: Path,
        width: int = 1280,
        height: int = 900,
        *,
        dark: bool = False,
        touch: bool = False,
        clipboard: bool = True,
    ) -> Page:
        """Open a page in a window of that many CSS pixels; the one before is closed.

        Args:
            dark: whether its user likes dark pages.
            touch: whether there are fingers, and no mouse.
            clipboard: whether the page may write to it.
        """
        if self.target:
            self('Target.closeTarget', targetId=self.target)
        self.target = self('Target.createTarget', url='about:blank')['targetId']
        session = self('Target.attachToTarget', targetId=self.target, flatten=True)['sessionId']
        for setting in ('clipboard-read', 'clipboard-write'):
            allowed = 'granted' if clipboard or setting == 'clipboard-read' else 'denied'
            self('Browser.setPermission', permission=dict(name=setting), setting=allowed)
        size = dict(width=width, height=height, deviceScaleFactor=1, mobile=touch)
        self('Emulation.setDeviceMetricsOverride', session, **size)
        self('Emulation.setTouchEmulationEnabled', session, enabled=touch)
        scheme = dict(name='prefers-color-scheme', value='dark' if dark else 'light')
        self('Emulation.setEmulatedMedia', session, features=[scheme])
        self('Emulation.setFocusEmulationEnabled', session, enabled=True)
        self('Page.enable', session)
        self('Page.navigate', session, url=page.as_uri())
        self.wait('Page.loadEventFired')
        return Page(self, session)


class Page:
    """A page that is open."""

    def __init__(self, browser: Browser, session: str) -> None:
        self.browser, self.session = browser, session

    def __call__(self, script: str) -> Any:
        """Return the value of an expression in the page; a promise is awaited."""
        options = dict(expression=script, returnByValue=True, awaitPromise=True)
        done = self.browser('Runtime.evaluate', self.session, **options)
        assert 'exceptionDetails' not in done, done['exceptionDetails']
        return done['result'].get('value')

    def place(self, selector: str, number: int = 0) -> dict[str, float]:
        """Return the middle of an element in the window, where it is scrolled to."""
        return self(
            f'(node => {{ node.scrollIntoView({{block: "center"}});'
            'const box = node.getBoundingClientRect();'
            'return {x: box.x + box.width / 2, y: box.y + box.height / 2}; })'
            f'(document.querySelectorAll({json.dumps(selector)})[{number}])'
        )

    def mouse(self, kind: str, at: dict[str, float]) -> None:
        buttons = dict(button='left', clickCount=1) if kind != 'mouseMoved' else {}
        self.browser('Input.dispatchMouseEvent', self.session, type=kind, **at, **buttons)

    def click(self, at: dict[str, float]) -> None:
        for kind in ('mouseMoved', 'mousePressed', 'mouseReleased'):
            self.mouse(kind, at)

    def tap(self, at: dict[str, float]) -> None:
        for kind, points in (('touchStart', [at]), ('touchEnd', [])):
            self.browser('Input.dispatchTouchEvent', self.session, type=kind, touchPoints=points)

    def key(self, name: str) -> None:
        for kind in ('keyDown', 'keyUp'):
            code = dict(key=name, code=name, windowsVirtualKeyCode=KEYS[name])
            self.browser('Input.dispatchKeyEvent', self.session, type=kind, **code)


@contextmanager
def browser() -> Iterator[Browser]:
    """Yield a browser of its own, which ends with the block."""
    ours, theirs = os.pipe(), os.pipe()  # what it reads, what it writes
    ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (ours[0], theirs[1])]

    def third_and_fourth() -> None:
        os.dup2(ends[0], 3)
        os.dup2(ends[1], 4)

    command = ['chromium', '--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe']
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [*command, f'--user-data-dir={profile}'],
            preexec_fn=third_and_fourth,
            pass_fds=(3, 4),
            stderr=subprocess.DEVNULL,
        )
        for end in (ours[0], theirs[1], *ends):
            os.close(end)
        found = Browser(ours[1], theirs[0])
        try:
            yield found
            found('Browser.close')
        finally:
            process.terminate()
            process.wait(30)
            found.sent.close()
            found.got.close()
