"""Questions put to a real model, each a command that anyone can run again, with controls and a second witness."""
