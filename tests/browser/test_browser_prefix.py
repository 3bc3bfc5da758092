"""The app below a path of somebody else's server, as behind nginx or JupyterHub."""

from browser_lab import LONG, SHORT, Lab, start_server, stop_server
from browser_proxy import proxy
from playwright.sync_api import expect

PREFIX = "/tools/explorer"


def test_everything_is_found_below_a_prefix(browser, tmp_path):
    server = start_server(tmp_path, "--root-path", PREFIX)
    try:
        with proxy(PREFIX, server.port) as front:
            context = browser.new_context(viewport={"width": 1440, "height": 900})
            lab = Lab(context, server, address=front.address)
            lab.open(SHORT).run()
            lab.wait_for_words("finished")
            assert lab.points("loss") == [30, 30, 30, 30]
            assert lab.page.url.startswith(front.address)
            lab.open(LONG).run()
            lab.wait_for_step(10)
            lab.open(query=f"?run={lab.run_id}")
            lab.wait_for_step(20)
            assert lab.steps_drawn()[0][:11] == list(range(11))
            lab.stop()
            expect(lab.page.locator("#lab-alert")).to_have_text("")
            context.close()
        # A browser asks the host for this one before it has read the page, and is told that there is none.
        assert set(front.strays) <= {"/favicon.ico"}
        assert len(lab.errors) == len(front.strays)
    finally:
        stop_server(server)
