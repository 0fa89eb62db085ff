"""The atlas as pages: static HTML, a page a block, that open from a folder without server or network."""
