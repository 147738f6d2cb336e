"""Self-contained HTML pages: pure functions from data to fragments, and the page that holds them."""
