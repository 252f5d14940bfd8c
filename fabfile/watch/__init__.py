"""From look to look: what changes, rates and trends; who is told (`fab watch`), and the screen (`status --watch`)."""
