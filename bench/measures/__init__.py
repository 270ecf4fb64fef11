"""One module a figure, and the table of them."""
