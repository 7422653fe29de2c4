"""The lanes: collect, understand, decide, write, timers."""
