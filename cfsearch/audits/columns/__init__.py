"""Effects of a table's protected columns on a model: alone, and through the columns that go with them."""
