"""The page of `fab dashboard`: who is let in, what it shows and keeps, and what it may start."""
