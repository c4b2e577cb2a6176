"""Large stores, values of every class, and stores that are opened again, by one caller."""
