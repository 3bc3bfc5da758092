"""What holds for every test."""

import signal

import pytest

# A job that a shell starts in the background ignores Ctrl-C, and so would every process that the tests start in it and
# then interrupt. A handler, unlike "ignore", is not inherited: they begin with the system's default.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def browser():
    """One Chromium for all tests of pages."""
    # Imported here, so that the tests of one folder need no browser.
    from chromium import launch
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()
