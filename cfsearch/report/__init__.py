"""The page of an audit, and the view of a front in a notebook."""
