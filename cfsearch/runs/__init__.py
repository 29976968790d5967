"""Run directories: what an audit leaves on disk, and how it is exported."""
