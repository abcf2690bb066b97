"""Training generators of electrons and of Compton events; only training needs torch."""
