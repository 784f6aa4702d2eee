"""One file for each framework, imported when it is used: `Guard` itself needs none of them."""
