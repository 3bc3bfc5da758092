"""What holds for every test."""

import signal

# A job that a shell starts in the background ignores Ctrl-C, and so would every process that the tests start in it and
# then interrupt. A handler, unlike "ignore", is not inherited: they begin with the system's default.
signal.signal(signal.SIGINT, signal.default_int_handler)
