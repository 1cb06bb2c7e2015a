"""The built live page; its source is js/page."""
