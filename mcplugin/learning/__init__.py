"""Training a generator of electrons, and its weights; only training needs torch."""
